// Words of the page that the server's table of options does not have.

/** @typedef {import("./fields.js").Option} Option */

/** Help of settings that are reached elsewhere on the page. @type {Record<string, string>} */
export const ELSEWHERE = {
  face_blend: "Each face has a switch and a strength of its own below the image.",
};

/** Groups that are shown at once; all others come under "More". */
export const MAIN_GROUPS = ["Restoration", "Videos"];

/** Groups that only a server with videos shows. */
export const VIDEO_GROUPS = ["Videos", "Video files"];

/** What a video is doing. @type {Record<string, string>} */
export const STAGES = {
  faces: "Finding faces",
  frames: "Restoring frames",
  joining: "Writing the video",
};
