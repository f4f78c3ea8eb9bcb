"""The search: spec, samplers, coordinator, engines and the command line."""
