"""The commands, in rooms: running sweeps, looking at studies, choosing a setting, exporting a model, clearing away."""
