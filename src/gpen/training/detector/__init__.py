"""Trains the face detector of gpen: `python -m gpen.training.detector --help`.

    finder  ← mosaics          single-shot network, see `gpen.nets.detector.Finder`
    mine    ← the finder       pictures of what the finder wrongly took for a face
    refiner ← crops, mistakes  see `gpen.nets.detector.Refiner`
    export  ← both             two ONNX files for `gpen.detect`

Every step draws its pictures from a generator seeded with (seed, step), and checkpoints hold all
state, so that a run that was stopped goes on as if it had not been.
"""
