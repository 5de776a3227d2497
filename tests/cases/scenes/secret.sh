# A vault with one secret, and a place to serve it.
vaultgen init --bare --batch --quiet
printf s3cr3t | vaultgen add --quiet api/token
cp vault/allowed_signers .
mkdir mount
