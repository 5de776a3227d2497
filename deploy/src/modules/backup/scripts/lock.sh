umask 077
# One at a time, and Odoo does not start before the last one has ended.
exec 9>"$RUNTIME_DIRECTORY/lock"
flock 9

