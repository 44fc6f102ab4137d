"""Half A of the development set: the vendors and notations that the rules were written with in view."""

from __future__ import annotations

import base64
import json
import random

from . import corpus_more
from .corpus import Case, b64, draw, each


def _jwt(rng: random.Random) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = part(json.dumps({"sub": draw("{d:10}", rng), "iat": rng.randint(10**9, 2 * 10**9)}).encode())
    return f"{head}.{body}.{part(rng.randbytes(32))}"


#: (vendor, recipe, the name it goes by). ``~~`` keeps a form from standing in this file as it is published.
SERVICES = (
    ("github", "gh~~p_{w:36}", "github token"),
    ("github-fine", "github_~~pat_{w:22}_{w:59}", "gh token"),
    ("gitlab", "gl~~pat-{u:20}", "gitlab token"),
    ("openai", "sk-~~proj-{u:60}T3Blbk~~FJ{u:60}", "openai api key"),
    ("anthropic", "sk-~~ant-api03-{u:93}AA", "anthropic api key"),
    ("aws-id", "AK~~IA{A:16}", "aws access key id"),
    ("aws-secret", "{b:39}{w:1}", "aws secret access key"),
    ("google", "AI~~za{u:35}", "google api key"),
    ("google-oauth", "GOC~~SPX-{u:28}", "client secret"),
    ("slack-bot", "xo~~xb-{d:12}-{d:13}-{w:24}", "slack token"),
    ("stripe", "sk_~~live_{w:24-99}", "stripe key"),
    ("sendgrid", "S~~G.{u:22}.{u:43}", "sendgrid key"),
    ("twilio", "S~~K{h:32}", "twilio api key"),
    ("npm", "np~~m_{w:36}", "npm token"),
    ("pypi", "pypi-~~AgEIcHlwaS5vcmc{u:70-150}", "pypi token"),
    ("huggingface", "h~~f_{l:34}", "hf token"),
    ("digitalocean", "do~~p_v1_{h:64}", "do token"),
    ("shopify", "sh~~pat_{h:32}", "shopify token"),
    ("supabase", "sb~~p_{h:40}", "supabase token"),
    ("groq", "gs~~k_{w:52}", "groq key"),
    ("replicate", "r~~8_{w:37}", "replicate token"),
    ("docker", "dckr_~~pat_{u:27}", "docker token"),
    ("figma", "fig~~d_{u:40}", "figma token"),
    ("notion", "nt~~n_{d:11}{w:35}", "notion token"),
    ("linear", "lin_~~api_{w:40}", "linear key"),
    ("postman", "PM~~AK-{h:24}-{h:34}", "postman key"),
    ("grafana", "gl~~sa_{w:32}_{h:8}", "grafana token"),
    ("newrelic", "NR~~AK-{N:27}", "new relic key"),
    ("vault", "hv~~s.{u:95}", "vault token"),
    ("doppler", "dp.~~pt.{w:43}", "doppler token"),
    ("databricks", "da~~pi{h:32}", "databricks token"),
    ("planetscale", "pscale_~~tkn_{u:43}", "planetscale token"),
    ("resend", "r~~e_{w:8}_{w:24}", "resend key"),
    ("mailgun", "key-{h:32}", "mailgun key"),
    ("mailchimp", "{h:32}-us{d:2}", "mailchimp key"),
    ("telegram", "{d:10}:A~~A{u:33}", "telegram bot token"),
    ("discord-bot", "M{w:25}.{u:6}.{u:38}", "discord token"),
    ("heroku", "{uuid}", "heroku api key"),
    ("datadog", "{h:32}", "datadog api key"),
    ("cloudflare", "{u:39}{w:1}", "cloudflare api token"),
    ("azure-storage", b64(64), "azure storage account key"),
    ("azure-ad", "{w:3}8Q~~~{u:34}", "azure client secret"),
    ("jwt", _jwt, "access token"),
    ("square", "sq0~~csp-{u:43}", "square secret"),
    ("airtable", "pa~~t{w:14}.{h:64}", "airtable token"),
    ("tailscale", "ts~~key-auth-{w:12}-{w:32}", "ts authkey"),
    ("whsec", "wh~~sec_{w:32}", "webhook secret"),
    ("sentry", "snt~~ryu_{h:64}", "sentry token"),
    ("pulumi", "pu~~l-{h:40}", "pulumi token"),
    ("terraform", "{w:14}.atl~~asv1.{u:67}", "tf token"),
)

IN_SERVICES = (
    '{"{w}": {"value": "@@", "n": {n}}}',
    "%NAME%=@@\n",
    "export %NAME%='@@'\n",
    '%name% = "@@"\n',
    "const %camel% = '@@';\n",
    "  %name%: @@\n  region: eu-west-1\n",
    "2026-03-01T10:00:00Z ERROR {w} refused, token @@ (attempt {n})\n",
    'curl -s -H "Authorization: Bearer @@" https://api.{w}.io/v1/{w}\n',
    "GET /v1/{w}?access_token=@@&page={n} HTTP/1.1\n",
    '{"%camel%":"@@"}',
    'client = Client(%name%="@@")\n',
    "docker run -e %NAME%=@@ {w}:latest\n",
    '      - name: %NAME%\n        value: "@@"\n',
    'private static final String %NAME% = "@@";\n',
)

PASSWORDS = (
    ("password-mixed", "{p:10-20}", "password"),
    ("password-alnum", "{w:10-16}", "db password"),
    (
        "password-word-digits",
        lambda rng: rng.choice(["Falcon", "Harbor", "Velvet", "Copper"]) + draw("{d:3}", rng) + "!",
        "admin password",
    ),
    (
        "password-leet",
        lambda rng: rng.choice(["Tr0ub4dor", "S1lv3rFox", "W1nt3rMoon"]) + draw("&{d:2}", rng),
        "smtp password",
    ),
    (
        "passphrase",
        lambda rng: "-".join(rng.sample(["correct", "horse", "battery", "staple", "river", "candle", "orbit"], 4)),
        "passphrase",
    ),
    ("secret-base64", b64(32), "secret key"),
    ("secret-hex", "{h:64}", "signing key"),
    ("secret-hex32", "{h:32}", "api key"),
    ("secret-url-safe", "{u:43}", "client secret"),
    ("secret-uuid", "{uuid}", "api token"),
    ("token-alnum", "{w:32}", "auth token"),
    ("token-short", "{w:16}", "access token"),
)

IN_CODE = (
    '%name% = "@@"\n',
    "%name% = '@@'\n",
    '%NAME%="@@"\n',
    "%NAME%=@@\n",
    "export %NAME%=@@\n",
    "%name%: @@\n",
    '%name%: "@@"\n',
    '  "%name%": "@@",\n',
    '  "%camel%": "@@"\n',
    "let %camel% = '@@';\n",
    "const %camel%: string = `@@`;\n",
    'String %camel% = "@@";\n',
    '%camel% := "@@"\n',
    "'%name%' => '@@',\n",
    'app.config["%NAME%"] = "@@"\n',
    'login("{w}", %name%="@@")\n',
    'props.setProperty("%.%", "@@");\n',
    'ds.set%Name%("@@");\n',
    "spring.datasource.%-%=@@\n",
    "<%camel%>@@</%camel%>\n",
    '<add key="%Name%" value="@@" />\n',
    "ENV %NAME%=@@\n",
    "  --%-% @@ \\\n",
    "{w} --%-%=@@\n",
    "- name: %NAME%\n  value: @@\n",
    '  %name% = "@@"\n  host = "db.{w}.internal"\n',
    '{\\"%name%\\": \\"@@\\"}',
    'os.environ["%NAME%"] = "@@"\n',
    "The %name% is @@ for now.\n",
)

STRUCTURED = (
    ("url-postgres", "{w:16}", "DATABASE_URL=postgresql://app:@@@db.internal:5432/app\n"),
    ("url-redis", "{w:16}", "redis://:@@@cache:6379/0\n"),
    ("url-amqp", "{p:12}".replace("p", "w"), 'broker = "amqp://user:@@@mq:5672//"\n'),
    ("url-https", "{w:20}", "git clone https://bot:@@@git.{w}.dev/team/app.git\n"),
    (
        "basic",
        lambda rng: base64.b64encode(draw("user{d:2}:{w:14}", rng).encode()).decode(),
        "Authorization: Basic @@\r\n",
    ),
    ("bearer", "{w:40}", "authorization: bearer @@\n"),
    ("token-header", "{h:40}", "Authorization: Token @@\n"),
    ("x-api-key", "{w:32}", "X-Api-Key: @@\r\n"),
    ("cookie", "{w:40}", "Cookie: sid=@@; theme=dark\r\n"),
    ("ado", "{w:14}!x", "Server=tcp:db.x.net,1433;Database=app;User ID=sa;Password=@@;Encrypt=True;\n"),
    ("azure", b64(64), "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=@@;EndpointSuffix=core.windows.net\n"),
    (
        "sas",
        lambda rng: draw("{w:43}%3D", rng),
        "https://x.blob.core.windows.net/c/f?sv=2024-01-01&se=2027-01-01&sr=b&sp=r&sig=@@\n",
    ),
    (
        "presigned",
        "{h:64}",
        "https://b.s3.amazonaws.com/k?X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-Signature=@@\n",
    ),
    ("sql", "{w:12}", "CREATE USER app IDENTIFIED BY '@@';\n"),
    ("sql-postgres", "{w:12}", "ALTER ROLE app WITH LOGIN PASSWORD '@@';\n"),
    ("netrc", "{w:14}", "machine api.{w}.io login bot password @@\n"),
    ("npmrc", "{uuid}", "//registry.{w}.io/:_authToken=@@\n"),
    (
        "docker",
        lambda rng: base64.b64encode(draw("bot:{w:16}", rng).encode()).decode(),
        '{"auths": {"r.io": {"auth": "@@"}}}',
    ),
    ("curl-user", lambda rng: draw("admin:{w:12}", rng), "curl -u @@ https://{w}.internal/api\n"),
    ("mysql", "{w:10}", "mysql -h db -u root -p@@ app\n"),
    ("discord-hook", lambda rng: draw("{d:18}/{u:68}", rng), "https://discord.com/api/webhooks/@@\n"),
    (
        "slack-hook",
        lambda rng: draw("T{N:10}/B{N:10}/{w:24}", rng),
        "https://hooks.sl~~ack.com/services/@@\n".replace("~~", ""),
    ),
    ("jwk", "{u:43}", '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","d":"@@"}'),
    ("k8s-block", "{w:24}", "stringData:\n  password: |\n    @@\n"),
)


def services(seed: int = 1, *, times: int = 4) -> list[Case]:
    rng = random.Random(f"A services {seed}")
    return each(SERVICES, IN_SERVICES, rng, times=times) + corpus_more.services(seed, times=times)


def mixed(seed: int = 1, *, times: int = 30) -> list[Case]:
    rng = random.Random(f"A mixed {seed}")
    made = each(PASSWORDS, IN_CODE, rng, times=times)
    for kind, recipe, text in STRUCTURED:
        made += each([(kind, recipe, "")], (text,), rng, times=max(2, times // 4))
    return made + corpus_more.mixed(seed, times=times)
