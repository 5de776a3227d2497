# The standard vault, made and trusted by this operator.
vaultgen init --batch --quiet
