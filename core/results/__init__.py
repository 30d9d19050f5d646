"""What a run adds up to: figures, charts, words, reports, exports."""
