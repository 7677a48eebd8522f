"""Restoring folders and buckets of photos on one machine or many, by Ray Data.

storage     folders and buckets, through fsspec
manifest    a row per photo, in parts below the results
batch_plan  what is left to do, in blocks
publishing  publishes staged results, and recovers those of an interrupted run
worker      restores one block of photos: restore, stage, record, publish
ray_run     runs the blocks on Ray workers

A block is done in three steps, each of which may be cut off and done again: its results are
written under names of their own; one part of the manifest, written whole, makes them count; then
they are published. What a part names and is not published yet is published by the next run.
"""
