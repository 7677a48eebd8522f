"""Trains the face detector of gpen: `python -m tools.detector --help`.

    proposal network  ← mosaics           `gpen.networks.detector.ProposalNetwork`, single-shot
    refinement network ← crops, mistakes   `gpen.networks.detector.RefinementNetwork`
    export  ← both              two ONNX files for `gpen.faces.detection`
    mine    ← the two files     images of what the detector wrongly took for faces
    fit     ← the two files     weights of `gpen.faces.detectors.face_scores`

After a first refinement network, export and mine; then train it for more steps with the mistakes.
Mining again, with another seed, adds what the better detector still gets wrong.

Every step draws its images from a generator seeded with (seed, step), and checkpoints hold all
state, so that a run that was stopped goes on as if it had not been.
"""
