# The standard vault in Git, with one secret more in its second commit.
git init -q -b main
git config user.name operator
git config user.email operator@example.org
vaultgen init --batch --quiet
git add .
git commit -q -m "vault: ours"
printf one | vaultgen --quiet add token
git add .
git commit -q -m "vault: a token"
