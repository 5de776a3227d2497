# A vault that this operator has never seen.
HOME=$PWD/../maker vaultgen init --batch --quiet
