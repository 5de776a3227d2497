
# Stops Odoo, and remembers that it is to run again.
pause() {
    case $(systemctl show --property=ActiveState --value "$odoo") in
    active | activating | reloading)
        : >"$RUNTIME_DIRECTORY/odoo-ran"
        systemctl stop "$odoo"
        ;;
    esac
}
