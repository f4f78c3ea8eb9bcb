"""The commands, in rooms: running sweeps, looking at studies, choosing a setting, clearing away."""
