"""The words that tell a secret's name from another's, and a value from what stands in for one. Data, nothing else."""

#: Values that are no values.
STAND_INS = frozenset(
    [
        *("none", "null", "nil", "undefined", "true", "false", "unset", "empty", "string", "secret", "password"),
        *("token", "key", "test", "value", "default", "admin", "root", "user", "username", "passwd", "pass"),
        *("pwd", "bearer", "basic", "optional", "required", "hidden", "masked", "encrypted", "unknown", "n/a"),
        *("tbd", "varchar", "bytes", "text"),
    ]
)

#: What no drawn value holds.
STAND_IN_PARTS = (
    *("your_", "your-", "your ", "yourp", "yours", "yourt", "yourk", "youra", "example", "sample"),
    *("placeholder", "dummy", "changeme", "change_me", "change-me", "change me", "changeit", "changethis"),
    *("change_this", "change-this", "insert_", "insert-", "insert ", "replaceme", "replace_", "replace-"),
    *("redacted", "to-do", "to_do", "xxxx", "***", "...", "…", "not_a_", "not-a-", "nota_", "not_real"),
    *("not-real", "notreal", "fake", "foobar", "lorem", "super_secret", "super-secret", "supersecret"),
    *("top_secret", "top-secret", "topsecret", "some_secret", "some-secret", "some_token", "some-token"),
    *("some_key", "some-key", "some_password", "some-password", "something", "123456789", "abcdefg"),
    *("my_secret", "my-secret", "mysecret", "my_token", "my-token", "mytoken", "my_password", "my-password"),
    *("mypassword", "my_key", "my-key", "mykey", "my_api", "my-api", "myapi", "secret://"),
)

#: Words that people do choose as passwords.
WEAK = frozenset(
    [
        *("letmein", "qwerty", "qwertyuiop", "dragon", "monkey", "iloveyou", "sunshine", "princess", "football"),
        *("baseball", "welcome", "shadow", "superman", "michael", "master", "trustno", "starwars", "whatever"),
        *("asdfgh", "asdfghjkl", "zxcvbn", "zxcvbnm", "passw0rd", "swordfish", "hello", "freedom", "charlie"),
        *("batman", "jordan", "harley", "ranger", "hunter", "soccer", "killer", "george", "andrew", "computer"),
        *("pepper", "ginger", "cookie", "cheese", "summer", "winter", "spring", "autumn", "tigger", "jessica"),
        *("ashley", "bailey", "mustang", "corvette"),
    ]
)

#: Words of user interfaces and code: a phrase that holds one is a label, no passphrase.
SPOKEN = frozenset(
    [
        *("password", "passwords", "passphrase", "word", "secret", "token", "key", "user", "username", "reset"),
        *("form", "field", "input", "label", "error", "invalid", "enter", "your", "the", "is", "must", "not"),
        *("new", "old", "login", "sign", "auth", "confirm", "change", "forgot", "update", "create", "get", "set"),
        *("has", "for", "and", "with", "type", "text", "min", "max", "length", "show", "hide", "env", "name"),
        *("value", "default", "config", "api", "access", "file", "data", "base", "client", "server", "http"),
        *("https", "test", "this", "that", "from", "are", "was", "you", "can", "public", "private", "session"),
        *("request", "response", "header", "policy", "manager", "service", "store"),
    ]
)

#: Last words of names of passwords.
PASSWORD_WORDS = frozenset(
    [
        *("passwords", "pass", "pw", "psw", "pswd", "pin", "passw", "userpass", "mdp", "psk", "requirepass"),
        *("community", "masterauth", "bindpw", "rootpw", "password", "passwd", "pwd", "passwrd", "passwort"),
        *("passphrase", "contrasena", "passcode", "psswd"),
    ]
)

#: Last words of names of other secrets.
SECRET_WORDS = frozenset(
    [
        *("secrets", "tokens", "bearer", "jwt", "pat", "credential", "credentials", "creds", "cred", "mnemonic"),
        *("otp", "totp", "dsn", "connectionstring", "connstr", "passkey", "salt", "pepper", "seed", "sas"),
        *("secret", "webhook", "apikey", "authkey", "privatekey", "sessid", "storagekey", "sessionid"),
        *("sharedkey", "sessionkey", "authtoken", "appkey", "hmackey", "encryptionkey", "apisecret", "secretkey"),
        *("clientkey", "masterkey", "accountkey", "signingkey", "servicekey", "token", "accesskey", "licensekey"),
        *("sharedaccesskey",),
    ]
)

#: What makes a ``key`` one that nobody may know.
SECRET_KEYS = frozenset(
    [
        *("api", "access", "secret", "private", "auth", "account", "master", "signing", "sign", "encryption"),
        *("encrypt", "shared", "license", "licence", "service", "app", "client", "hmac", "aes", "rsa", "ssh"),
        *("crypto", "cipher", "deploy", "admin", "root", "storage", "server", "session", "cookie", "ingest"),
        *("write", "integration", "decryption", "decrypt", "webhook", "jwt", "bot", "personal", "functions"),
        *("function", "host", "subscription"),
    ]
)

#: Keys of some sort.
KEY_WORDS = frozenset(
    [
        *("key", "keys", "auth", "authorization", "signature", "sig", "session", "cookie", "sid", "code"),
    ]
)

#: Words after which the rest says what is *about* the secret: ``password_field``, ``token_url``.
ABOUT = frozenset(
    [
        *("name", "names", "id", "ids", "type", "types", "url", "urls", "uri", "path", "paths", "file"),
        *("filename", "dir", "field", "fields", "label", "length", "len", "size", "count", "counts", "policy"),
        *("prompt", "hint", "hasher", "expires", "expiry", "expiration", "expired", "ttl", "timeout", "endpoint"),
        *("format", "regex", "pattern", "error", "errors", "message", "msg", "header", "headers", "class"),
        *("column", "col", "param", "params", "option", "options", "reset", "form", "page", "view", "input"),
        *("list", "map", "manager", "service", "provider", "ref", "arn", "version", "index", "prefix", "suffix"),
        *("enabled", "required", "created", "at", "date", "time", "alg", "algorithm", "scope", "usage", "status"),
        *("state", "action", "method", "function", "validator", "strength", "encoder", "store", "storage"),
        *("kind", "mode", "description", "title", "text", "placeholder", "help", "doc", "limit", "max", "min"),
        *("stream", "iterator", "parser", "factory", "handler", "callback", "event", "rule", "rotation"),
        *("request", "response", "result", "source", "target", "level", "group", "user", "username", "email"),
        *("domain", "host", "port", "region", "issuer", "audience", "info", "metadata", "data", "schema"),
        *("model", "attribute", "attr", "checksum", "hash", "digest", "fingerprint", "thumbprint", "position"),
        *("offset", "order"),
    ]
)

#: Words that make the name of something public or fleeting.
PUBLIC = frozenset(
    [
        *("public", "pub", "publishable", "primary", "foreign", "sort", "partition", "cache", "idempotency"),
        *("page", "next", "continuation", "pagination", "cancel", "cancellation", "sync", "site", "sitekey"),
        *("csrf", "xsrf", "lookup", "object", "dict", "map", "row", "hash", "index", "unique", "composite"),
        *("shortcut", "hot", "arrow", "max", "min", "num", "eos", "bos", "pad", "unk", "mask", "sep", "cls"),
        *("stop", "special", "lex", "syntax", "i18n", "locale", "translation", "message", "event", "routing"),
        *("topic", "registry", "host", "known", "authorized"),
    ]
)

#: Words at the end of a name that change nothing.
TRAILING = frozenset(
    [
        *("value", "val", "str", "string", "plain", "plaintext", "raw", "prod", "production", "dev"),
        *("development", "test", "staging", "stage", "live", "sandbox", "base", "default", "env", "var", "new"),
        *("old", "current", "previous", "local", "main", "temp", "tmp", "backup", "encoded", "base64", "b64"),
        *("hex", "primary", "secondary", "json"),
    ]
)
