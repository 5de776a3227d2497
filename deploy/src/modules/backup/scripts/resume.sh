# Starts Odoo if it was stopped for a backup or a restore.
ran=$RUNTIME_DIRECTORY/odoo-ran
if [ -e "$ran" ]; then
    systemctl start --no-block "$odoo"
    rm "$ran"
fi
