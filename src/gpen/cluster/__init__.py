"""Restoring folders and buckets of photos on one machine or many, by Ray Data.

places     folders and buckets, through fsspec
manifest   what became of each photo, in parts below the results
plan       what is left to do, in blocks
landing    results from where they are staged to their places; what an earlier run left
worker     one block of photos: restore, stage, record, move into place
run        Ray: workers that hold the model, and the blocks they are given

A block is done in three steps, each of which may be cut off and done again: its results are
written under names of their own; one part of the manifest, written whole, makes them count; then
they move to their places. What a part names and has not moved yet is moved by the next run.
"""
