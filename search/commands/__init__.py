"""The commands, in rooms: running sweeps, looking at studies, choosing a setting, training it again, clearing away."""
