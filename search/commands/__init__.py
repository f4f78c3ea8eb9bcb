"""The commands, in rooms: running sweeps, looking at studies, choosing settings, exporting models, clearing away."""
