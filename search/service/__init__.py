"""The service: a REST API and pages over a database of studies, behind tokens."""
