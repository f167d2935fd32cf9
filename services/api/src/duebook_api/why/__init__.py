"""Explains why a run or a job did something, did not, or waits: the causes recorded in the log, in sentences.

The sentences are for readers who have not read the manual.
"""
