"""What is kept: the ledger, leases, requests, and Optuna's tables beside them, behind one URL. Never imports torch."""
