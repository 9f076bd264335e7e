"""Learning: cycles through frames, losses, schedules, the trainer and its program. Never imported by inference."""
