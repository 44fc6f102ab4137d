"""Lines that hold no secret and look as if they might: half A, and half B held out like its secrets."""

from __future__ import annotations

import base64
import random

from .corpus import b64, draw, plant, uuid, value


def _ssh(rng: random.Random) -> str:
    return "AAAAC3NzaC1lZDI1NTE5AAAAI" + draw("{b:43}", rng)


def _image(rng: random.Random) -> str:
    return "iVBORw0KGgoAAAANSUhEUgAA" + base64.b64encode(rng.randbytes(240)).decode()


def _minified(rng: random.Random) -> str:
    names = [draw("{l:1}", rng) for _ in range(12)]
    first, second, third, fourth = names[:4]
    return "".join(
        f"function {each}({first},{second}){{return {each}.{third}===void 0?{n}:{fourth}[{n % 9}]}}"
        for n, each in enumerate(names)
    )


#: (what it looks like, template with @@, recipe)
WRITTEN = (
    ("git", "commit @@", "{h:40}"),
    ("git", "Merge {h} into main (@@)", "{h:7}"),
    ("git", "  rev: @@", "{h:40}"),
    ("git", "uses: actions/checkout@@@  # v4", "{h:40}"),
    ("digest", "sha256:@@", "{h:64}"),
    ("digest", '"integrity": "sha512-@@"', b64(64)),
    ("digest", "github.com/x/y v1.2.3 h1:@@", b64(32)),
    ("digest", 'checksum = "@@"', "{h:64}"),
    ("digest", "    --hash=sha256:@@ \\", "{h:64}"),
    ("digest", "@@  dist/app.tar.gz", "{h:64}"),
    ("digest", 'ETag: "@@"', "{h:32}"),
    ("digest", "md5sum @@ ok", "{h:32}"),
    ("digest", "FROM python:3.12-slim@sha256:@@", "{h:64}"),
    ("digest", 'content_hash: "@@",', "{h:64}"),
    ("digest", "<script src=a.js integrity=sha384-@@ crossorigin>", b64(48)),
    ("uuid", 'id: "@@"', uuid),
    ("uuid", "GET /v1/orders/@@ 200 13ms", uuid),
    ("uuid", "request_id=@@ done", uuid),
    ("uuid", "INSERT INTO t (id) VALUES ('@@');", uuid),
    ("trace", "traceparent: 00-@@-01", lambda rng: draw("{h:32}-{h:16}", rng)),
    ("trace", "trace_id=@@ span_id=00f067aa0ba902b7", "{h:32}"),
    ("trace", "X-Request-Id: @@", "{w:24}"),
    ("trace", "x-amz-id-2: @@", b64(56)),
    ("trace", "CF-Ray: @@-FRA", "{h:16}"),
    ("lock", 'resolved "https://packages.example/a/-/a-1.0.0.tgz#@@"', "{h:40}"),
    ("lock", "      sha512: @@", b64(64)),
    ("css", '<div class="@@ flex">', lambda rng: f"css-{draw('{n:7}', rng)} sc-{draw('{l:6}', rng)}"),
    ("css", ".@@{color:#fff}", lambda rng: "Button_root__" + draw("{w:5}", rng)),
    ("bundle", '<script src="/static/js/main.@@.chunk.js"></script>', "{h:8}"),
    ("bundle", 'import("./assets/index-@@.js")', "{u:8}"),
    ("minified", "@@", _minified),
    ("image", 'src="data:image/png;base64,@@"', _image),
    ("public-key", "ssh-ed25519 @@ ada@laptop", _ssh),
    ("public-key", "-----BEGIN PUBLIC KEY-----\n@@\n-----END PUBLIC KEY-----", b64(48)),
    ("public-key", "-----BEGIN CERTIFICATE-----\nMII@@\n", b64(45)),
    ("public-key", "STRIPE_PUBLISHABLE_KEY=pk_live~~_@@".replace("~~", ""), "{w:24}"),
    ("placeholder", "password: changeme", ""),
    ("placeholder", "API_KEY=your-api-key-here", ""),
    ("placeholder", 'token = "<your token>"', ""),
    ("placeholder", "DB_PASSWORD=${DB_PASSWORD}", ""),
    ("placeholder", "secret: ${{ secrets.DEPLOY_TOKEN }}", ""),
    ("placeholder", 'password = "xxxxxxxxxxxx"', ""),
    ("placeholder", "api_key: {{ vault_api_key }}", ""),
    ("placeholder", 'SECRET_KEY = os.environ["SECRET_KEY"]', ""),
    ("placeholder", "Authorization: Bearer <token>", ""),
    ("placeholder", "Authorization: Bearer $TOKEN", ""),
    ("placeholder", "postgresql://user:${PASSWORD}@localhost/db", ""),
    ("placeholder", 'password="********"', ""),
    ("code", "password = get_password(user)", ""),
    ("code", "self.token = token", ""),
    ("code", "def login(username: str, password: str) -> Token:", ""),
    ("code", "const token = await getToken({ audience });", ""),
    ("code", "if password != confirm_password:", ""),
    ("code", "private String passwordResetToken;", ""),
    ("code", 'label = _("Enter your password")', ""),
    ("code", 'input(type="password", name="new_password")', ""),
    ("code", "key=lambda item: item.created_at", ""),
    ("code", 'PRIMARY_KEY = "organization_membership_id"', ""),
    ("code", "token_type: bearer", ""),
    ("code", "auth = HTTPBasicAuth(username, password)", ""),
    ("code", "access_token_url = 'https://accounts.example.com/o/oauth2/token'", ""),
    ("code", 'public static final String PASSWORD_FIELD_NAME = "j_password";', ""),
    ("code", "for key, value in sorted(mapping.items()):", ""),
    ("code", 'secret_name: "prod/database/credentials"', ""),
    ("code", "@pytest.mark.parametrize('token', TOKENS)", ""),
    ("prose", "The access token expires after 3600 seconds and must be refreshed.", ""),
    ("prose", "Passwords are hashed with bcrypt, cost 12, and never logged.", ""),
    ("prose", "Set the API key in the dashboard, then restart the worker.", ""),
    ("prose", "See RFC 7519 for JWT and RFC 6750 for bearer tokens.", ""),
    ("prose", "Use `--password-stdin` to read the password from standard input.", ""),
    ("id", "arn:aws:iam::123456789012:role/deploy-@@", "{N:8}"),
    ("id", "ami-@@", "{h:17}"),
    ("id", "pod/web-@@-x2k4p Running", "{n:10}"),
    ("id", '"_id": {"$oid": "@@"}', "{h:24}"),
    ("id", "cus_@@ created", "{w:14}"),
    ("id", "ulid 01J@@", "{N:23}"),
    ("path", "/usr/lib/python3.12/site-packages/cryptography/hazmat/primitives/serialization", ""),
    ("path", "https://docs.example.com/en/latest/getting-started/authentication-and-tokens.html", ""),
)

HELD = (
    ("git", "index @@..{h:7} 100644", "{h:7}"),
    ("git", "Subproject commit @@", "{h:40}"),
    ("git", "GIT_COMMIT=@@", "{h:40}"),
    ("git", '"gitHead": "@@"', "{h:40}"),
    ("digest", "Docker-Content-Digest: sha256:@@", "{h:64}"),
    ("digest", "SHA1(file)= @@", "{h:40}"),
    ("digest", 'sha256 "@@"', "{h:64}"),
    ("digest", '  <sha256 value="@@"/>', "{h:64}"),
    ("digest", "Content-MD5: @@", b64(16)),
    ("digest", "fingerprint: SHA256:@@", "{b:43}"),
    ("digest", "'sha256-@@' 'self'", b64(32)),
    ("digest", 'narHash = "sha256-@@";', b64(32)),
    ("digest", "pkg-hash: @@", "{v:52}"),
    ("uuid", '<Project Sdk="x"><ProjectGuid>{@@}</ProjectGuid>', lambda rng: uuid(rng).upper()),
    ("uuid", "Correlation-Id: @@", uuid),
    ("uuid", "device @@ joined", uuid),
    ("uuid", '{"event_id":"@@","n":1}', lambda rng: uuid(rng).replace("-", "")),
    ("trace", "uber-trace-id: @@:0:1", lambda rng: draw("{h:16}:{h:16}", rng)),
    ("trace", "X-Cloud-Trace-Context: @@/12345;o=1", "{h:32}"),
    ("trace", "sentry-trace: @@-1", lambda rng: draw("{h:32}-{h:16}", rng)),
    ("trace", "x-amz-cf-id: @@==", "{u:54}"),
    ("lock", '{ file = "a-1.0-py3-none-any.whl", hash = "sha256:@@" },', "{h:64}"),
    ("lock", "  specifier: ^1.0.0\n  version: 1.2.3(@types/node@20)(peer@@@)", "{d:2}.{d:1}.{d:1}"),
    ("lock", "CHECKSUMS\n  rake (13.0.6) sha256=@@", "{h:64}"),
    ("css", "._3@@{display:none}", "{u:6}"),
    ("css", 'className="makeStyles-root-@@"', "{d:3}"),
    ("css", 'data-v-@@=""', "{h:8}"),
    ("bundle", "//# sourceMappingURL=vendors~main.@@.js.map", "{h:20}"),
    ("bundle", "webpackJsonp([1],{@@:function(e,t,n){e.exports=n(4)}})", "{w:4}"),
    ("image", "url(data:font/woff2;base64,d09GMgABAAAAA@@)", b64(150)),
    ("public-key", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ@@ deploy@ci", b64(270)),
    ("public-key", '"x5t#S256": "@@"', "{u:43}"),
    ("public-key", '{"kty":"RSA","e":"AQAB","n":"@@"}', "{u:342}"),
    ("public-key", 'data-sitekey="6Lc@@"', "{u:37}"),
    ("public-key", "untrusted comment: minisign public key\nRWQ@@", "{b:53}"),
    ("placeholder", "PASSWORD=<secret>", ""),
    ("placeholder", 'apiKey: "REPLACE_ME"', ""),
    ("placeholder", "token: !vault |", ""),
    ("placeholder", "password: '%env(DB_PASSWORD)%'", ""),
    ("placeholder", "client_secret = var.client_secret", ""),
    ("placeholder", "AWS_SECRET_ACCESS_KEY=...", ""),
    ("placeholder", "password: \"{{ lookup('env', 'PW') }}\"", ""),
    ("placeholder", "mysql -u root -p$MYSQL_ROOT_PASSWORD", ""),
    ("placeholder", "apikey=INSERT_KEY_HERE", ""),
    ("placeholder", '"secret": "arn:aws:secretsmanager:eu-west-1:1:secret:db"', ""),
    ("placeholder", "valueFrom:\n  secretKeyRef:\n    name: db-credentials\n    key: password", ""),
    ("code", "func NewToken(secret []byte) (*Token, error) {", ""),
    ("code", "$password = $_POST['password'];", ""),
    ("code", "throw new AuthError('Invalid password or token');", ""),
    ("code", "ADD COLUMN password_digest VARCHAR(60) NOT NULL", ""),
    ("code", "tokens = tokenizer.encode(text, max_length=512)", ""),
    ("code", 'let secret = Secret::from_env("APP_SECRET")?;', ""),
    ("code", '<input type="password" id="password" autocomplete="current-password">', ""),
    ("code", "SECRET_KEY_LENGTH = 32", ""),
    ("code", "key: ObjectKey.of('customer-invoices-2026')", ""),
    ("code", "export const AUTH_TOKEN_STORAGE_KEY = 'app.auth.token';", ""),
    ("code", "password_validators = ['MinimumLengthValidator']", ""),
    ("code", "assert_equal :bearer, token.kind", ""),
    ("code", "import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';", ""),
    ("code", "sort_key = 'created_at_desc'", ""),
    ("code", "cacheKey = `user:${id}:profile`", ""),
    ("prose", "A session key is derived from the shared secret with HKDF-SHA256.", ""),
    ("prose", "Forgot your password? We sent a reset link to ada@example.com.", ""),
    ("prose", "token: a unit of text, about four characters long", ""),
    ("prose", "The secret to good coffee is fresh water.", ""),
    ("id", "projects/my-project/locations/europe-west1/keyRings/main", ""),
    ("id", "i-@@ terminated", "{h:17}"),
    ("id", "chatcmpl-@@", "{w:29}"),
    ("id", "evt_@@ delivered", "{w:24}"),
    ("id", "https://youtu.be/@@", "{u:11}"),
    ("id", "0x@@ transferred 2 ETH", "{h:40}"),
    ("id", "bafybei@@", "{n:52}"),
    ("id", "?gclid=Cj0KCQ@@", "{u:80}"),
    ("id", "KSUID 2@@", "{w:26}"),
    ("number", "3.14159265358979323846264338327950288419716939937510", ""),
    ("path", "C:\\Program Files\\Common Files\\Microsoft Shared\\ClickToRun", ""),
    ("path", "node_modules/@babel/plugin-transform-destructuring/lib/index.js", ""),
)

#: Tokens that are none any more: cut, wrong alphabet, wrong length. Masking them is harmless, so they count nowhere.
MALFORMED = ("gh~~p_{w:12}", "AK~~IA{a:16}", "xo~~xb-{d:3}", "sk_~~live_", "eyJ{w:6}", "SG~~.{u:4}.{u:4}")


def benign(half: str, seed: int = 1, *, times: int = 5) -> list[tuple[str, str]]:
    """(what it looks like, text) for one half; lines without a drawn part come once."""
    rng = random.Random(f"{half} benign {seed}")
    made: list[tuple[str, str]] = []
    for looks, template, recipe in WRITTEN if half == "A" else HELD:
        for _ in range(times if recipe else 1):
            drawn = value(recipe, rng)
            text = plant(draw(template.replace("{h}", "{h:7}"), rng), drawn, rng)
            made.append((looks, text))
    return made


def malformed(seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    return [draw(each, rng) for each in MALFORMED]
