# PgAdmin, behind Nginx, for several users.
SERVER_MODE = True
DATA_DIR = "/var/lib/pgadmin"

# Its tables, over the socket.
CONFIG_DATABASE_URI = "postgresql://pgadmin@/pgadmin?host=/run/postgresql"

# Cookies are for here, and for TLS.
COOKIE_DEFAULT_PATH = "/pgadmin"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_SAMESITE = "Strict"

# Who one is, the socket tells: there are no passwords to keep.
ALLOW_SAVE_PASSWORD = False

# It reaches this machine only.
UPGRADE_CHECK_ENABLED = False
SHOW_GRAVATAR_IMAGE = False
SUPPORT_SSH_TUNNEL = False
AUTO_DISCOVER_SERVERS = False
LLM_ENABLED = False

# An address such as admin@localhost will do.
GLOBALLY_DELIVERABLE = False
ALLOW_SPECIAL_EMAIL_DOMAINS = ["local", "localhost", "test", "invalid"]
