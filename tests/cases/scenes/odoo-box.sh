# A vault as Odoo Box makes it: one key for everything, and no signature.
mkdir -p vault/passwords
age-keygen -o vault/age.key 2>/dev/null
for name in odoo-admin pgadmin-admin; do
    printf 'kelp-Orbit7-%s' "$name" |
        age -r "$(age-keygen -y vault/age.key)" -o "vault/passwords/$name.txt.age"
done
