"""Trains the face detector of gpen: `python -m tools.detector --help`.

    finder  ← mosaics           single-shot network, see `gpen.networks.detector.Finder`
    refiner ← crops, mistakes   see `gpen.networks.detector.Refiner`
    export  ← both              two ONNX files for `gpen.faces.detection`
    mine    ← the two files     pictures of what the detector wrongly took for faces

After a first refiner, export and mine; then the refiner goes on to more steps with the mistakes.
Mining again, with another seed, adds what the better detector still gets wrong.

Every step draws its pictures from a generator seeded with (seed, step), and checkpoints hold all
state, so that a run that was stopped goes on as if it had not been.
"""
