// Plain words for the settings. One that is not named here still appears, under "More", with its
// own name and the server's help.

/**
 * @typedef {{label: string, help?: string, empty?: string, unit?: string,
 *   ends?: [string, string], names?: Record<string, string>}} Words
 */

/** @type {Record<string, Words>} */
export const WORDS = {
  blend: {
    label: "Strength",
    help: "How much of the restored face is taken.",
    ends: ["as it was", "fully restored"],
  },
  fusion: {
    label: "Keep what is good",
    help: "Detail that can be trusted stays; only what the damage took is restored.",
  },
  upscale: {
    label: "Size",
    help: "Enlarge the whole photo; faces gain real detail.",
    names: { 1: "×1", 2: "×2", 4: "×4" },
  },
  keep: {
    label: "Leave as they are",
    help: "Parts of the face that are not touched.",
    names: { eyes: "Eyes", mouth: "Mouth", glasses: "Glasses" },
  },
  match_color: { label: "Keep the colours", help: "Skin keeps the tone that the photo has." },
  match_grain: { label: "Keep the grain", help: "The face gets the grain of the photo around it." },
  occlusion: {
    label: "Spare what is in front",
    help: "Hands, hair and things before a face are left alone.",
  },
  restore_color: {
    label: "Let grey faces gain colour",
    help: "Off: a black-and-white or toned photo stays so.",
  },
  faces: {
    label: "Which faces",
    help: "all, largest, left, right, center, or numbers such as 0,2.",
  },
  min_face: { label: "Skip faces smaller than", unit: "px", help: "0 restores every face." },
  mask: {
    label: "Edge of what is replaced",
    names: { head: "Fades out in the hair", face: "Follows the face", box: "Soft square" },
  },
  aligned: {
    label: "Photos are face crops already",
    help: "No face is looked for; each photo is restored whole.",
  },
  format: { label: "File format", empty: "As the photo" },
  quality: {
    label: "File quality",
    help: "1 to 100, for JPEG, WebP, AVIF and HEIC.",
    empty: "best",
  },
  strip: { label: "Remove EXIF and XMP", help: "Place, date and camera; the colours stay right." },
  stabilise: {
    label: "Stabilise videos",
    help: "Carries what is restored from frame to frame, against flicker.",
    ends: ["each frame alone", "steadiest"],
  },
  deflicker: {
    label: "Even out flickering light",
    help: "For old film whose brightness jumps.",
  },
  start_s: { label: "Begin at", unit: "s" },
  end_s: { label: "End at", unit: "s", empty: "end" },
  codec: {
    label: "Video codec",
    names: { auto: "Automatic", h264: "H.264", h265: "H.265", av1: "AV1", vp9: "VP9" },
  },
  crf: { label: "Video quality (CRF)", help: "Lower is better and larger.", empty: "best" },
  preset: { label: "Encoder preset", help: "In the encoder's own words.", empty: "usual" },
  container: { label: "Video format", empty: "As the video" },
  models_dir: { label: "Models folder" },
  max_pixels: { label: "Most pixels of a photo" },
  face_blend: {
    label: "Single faces",
    help: "Each face has a switch and a strength of its own below the image.",
  },
};

/** Shown at once, in this order; `model` stands before them. */
export const MAIN = ["blend", "fusion", "upscale", "keep", "match_color", "match_grain", "occlusion"];

/** Shown at once when the server restores clips. */
export const MAIN_CLIP = ["stabilise", "deflicker"];

/** @type {[string, string[]][]} Groups under "More"; what is in none comes last. */
export const GROUPS = [
  ["Faces", ["faces", "min_face", "mask", "restore_color", "aligned", "face_blend"]],
  ["Photo files", ["format", "quality", "strip"]],
  ["Videos", ["start_s", "end_s", "container", "codec", "crf", "preset"]],
];

/**
 * @param {{name: string, help: string}} option
 * @returns {Words}
 */
export function wordsOf(option) {
  const plain = option.name.replaceAll("_", " ");
  return WORDS[option.name] ?? { label: plain[0].toUpperCase() + plain.slice(1), help: option.help };
}

/** What a video is doing. @type {Record<string, string>} */
export const STAGES = {
  faces: "Finding faces",
  frames: "Restoring frames",
  joining: "Writing the video",
};
