"""What is optimised: models, data, training, and the meters that say what a trial costs.

A leaf of the house: it needs torch and numpy alone, so that it runs on a bare GPU machine. `costs`, `prices`,
`front`, `intervals`, `parameters`, `optimizers`, `models`, `data` and `trial` import without torch.
"""
