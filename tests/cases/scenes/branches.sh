# Git stopped in the middle of joining two branches that both changed the vault.
git init -q -b main
git config user.name operator
git config user.email operator@example.org
vaultgen init --batch --quiet
git add .
git commit -q -m "vault: ours"
commit_secret() {
    printf %s "$1" | vaultgen --quiet add "$1"
    git add .
    git commit -q -m "vault: $1"
}
git checkout -q -b theirs
(
    export HOME=$PWD/../theirs
    mkdir "$HOME"
    vaultgen --quiet verify --allowed-signers vault/allowed_signers
    commit_secret theirs
)
git checkout -q main
commit_secret ours
! git merge -q theirs >&2
