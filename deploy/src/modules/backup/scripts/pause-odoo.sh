# Stops Odoo if it runs, and starts it again if it was this that stopped it.

ran=$RUNTIME_DIRECTORY/odoo-ran
case $1 in
stop)
    case $(systemctl show --property=ActiveState --value "$odoo") in
    active | activating | reloading)
        : >"$ran"
        systemctl stop "$odoo"
        ;;
    esac
    ;;
start)
    [ ! -e "$ran" ] || systemctl start --no-block "$odoo"
    ;;
esac
