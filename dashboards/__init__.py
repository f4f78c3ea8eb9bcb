"""What is shown: summaries, figures, the five answers, the report. Never imports torch."""
