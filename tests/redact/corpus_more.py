"""More of half A: it was held out at first, then looked at, and so became part of what the rules were written with."""

from __future__ import annotations

import base64
import random

from .corpus import Case, b64, draw, each

SERVICES = (
    ("appwrite", "standard_{h:256}", "appwrite api key"),
    ("backblaze", "K00{d:1}{b:27}", "b2 application key"),
    ("fauna", "fn~~A{u:37}", "fauna secret"),
    ("ghost", "{h:24}:{h:64}", "ghost admin api key"),
    ("sanity", "sk{w:78-178}", "sanity auth token"),
    ("datocms", "{h:30}", "dato api token"),
    ("algolia", "{h:32}", "algolia admin key"),
    ("coralogix", "cx~~tp_{w:30}", "coralogix key"),
    ("uptimerobot", "u{d:6}-{h:24}", "uptimerobot api key"),
    ("pagerduty", "u+{w:18}", "pagerduty token"),
    ("splunk", "{uuid}", "splunk hec token"),
    ("lacework", "_{h:32}", "lw secret"),
    ("virustotal", "{h:64}", "vt api key"),
    ("shodan", "{w:32}", "shodan api key"),
    ("abuseipdb", "{h:80}", "abuseipdb key"),
    ("etherscan", "{N:34}", "etherscan api key"),
    ("binance", "{w:64}", "binance secret key"),
    ("alphavantage", "{N:16}", "alphavantage api key"),
    ("openweather", "{h:32}", "openweather appid"),
    ("recaptcha", "6L{u:38}", "recaptcha secret"),
    ("turnstile", "0x4AAAAAA{u:26}", "turnstile secret"),
    ("hcaptcha", "ES_{h:32}", "hcaptcha secret"),
    ("bitly", "{h:40}", "bitly token"),
    ("vimeo", "{h:32}", "vimeo access token"),
    ("livekit", "{w:43}", "livekit api secret"),
    ("pubnub", "sec-c-{b:64}", "pubnub secret key"),
    ("fcm", "AAAA{u:7}:APA91b{u:134}", "fcm server key"),
    ("spotify", "{h:32}", "spotify client secret"),
    ("unsplash", "{u:43}", "unsplash access key"),
    ("foursquare", "fsq3{b:43}=", "foursquare api key"),
    ("zoho", "1000.{h:32}.{h:32}", "zoho refresh token"),
    ("pipedrive", "{h:40}", "pipedrive api token"),
    ("postmark", "{uuid}", "postmark server token"),
    ("sparkpost", "{h:40}", "sparkpost key"),
    ("smtp2go", "api-{N:32}", "smtp2go key"),
    ("telnyx", "KEY0{N:31}_{w:22}", "telnyx api key"),
    ("infobip", "{h:32}-{uuid}", "infobip key"),
    ("todoist", "{h:40}", "todoist token"),
    ("trello", "AT~~TA{h:64}{H:8}", "trello token"),
    ("harvest", "{d:7}.at.{u:86}", "harvest token"),
    ("branch", "key_live_{n:32}", "branch key"),
    ("expo", "{u:40}", "expo token"),
    ("upstash", lambda rng: "A" + draw("{w:58}", rng) + "==", "upstash redis rest token"),
    ("sumologic-collector", lambda rng: base64.b64encode(draw("{n:40}", rng).encode()).decode(), "collector token"),
    ("cloudsmith", "{h:40}", "cloudsmith api key"),
    ("zuplo", "zpka_{h:32}_{h:8}", "zuplo key"),
    ("unkey", "unkey_{w:24}", "unkey root key"),
    ("meilisearch", "{u:43}", "meili master key"),
    ("novu", "{h:32}", "novu secret"),
    ("mux", "{b:75}", "mux token secret"),
)

IN_SERVICES = (
    'headers: { "X-API-KEY": "@@", Accept: "application/json" },\n',
    "[{w}]\n%name% = @@\nregion = us\n",
    "{w}.%camel%=@@\n",
    "  <%-%>@@</%-%>\n",
    "INFO {w}.http: sending request headers={'%-%': '@@', 'n': {n}}\n",
    '    %name%       = "@@"\n    project = "{w}"\n',
    "wrangler secret put %NAME% <<< '@@'\n",
    "heroku config:set %NAME%=@@ -a {w}\n",
    '.{w}({ %camel%: "@@", retries: {n} })\n',
    'public const string %Name% = "@@";\n',
    "$%camel% = '@@';\n",
    'var %Name% = []byte("@@")\n',
    "environment:\n  - %NAME%=@@\n",
    "https://api.{w}.com/2/{w}?%name%=@@&limit={n}\n",
    '    :%name% => "@@",\n',
    "set -gx %NAME% @@\n",
)

PASSWORDS = (
    ("password-symbols", "{w:4}#{w:5}@{d:2}", "root password"),
    (
        "password-name-year",
        lambda rng: rng.choice(["Berlin", "Montreal", "Octavia", "Jupiter"]) + str(rng.randint(1970, 2030)),
        "user password",
    ),
    ("password-lower-digits", "{a:6}{d:4}", "pwd"),
    (
        "password-weak",
        lambda rng: rng.choice(["sunshine", "dragon", "letmein", "trustno", "football"]) + draw("{d:2}", rng),
        "passwd",
    ),
    (
        "password-words",
        lambda rng: (
            "".join(each.title() for each in rng.sample(["maple", "rocket", "tiger", "piano", "cactus"], 3))
            + draw("{d:1}", rng)
        ),
        "keystore password",
    ),
    ("key-base64-24", b64(24), "encryption key"),
    ("key-hex-48", "{h:48}", "session secret"),
    ("key-url-safe-22", "{u:22}", "jwt secret"),
    ("key-upper", "{N:20}", "licence key"),
    ("token-dashed", "{w:6}-{w:6}-{w:6}-{w:6}", "refresh token"),
    ("token-prefix", "tok_{w:24}", "bot token"),
    ("pepper", "{p:24}", "pepper"),
)

IN_CODE = (
    '\t%Name%:   "@@",\n',
    "define('%NAME%', '@@');\n",
    '    .with%Name%("@@")\n',
    "-D%.%=@@ \\\n",
    "  %name%: '@@' # rotate in {n} days\n",
    "set %NAME%=@@\n",
    '$env:%NAME% = "@@"\n',
    "%name% = @@\n; next\n",
    'static NSString *const k%Name% = @"@@";\n',
    'val %camel% = "@@"\n',
    'let %name%: &str = "@@";\n',
    '    %name%=b"@@",\n',
    "self.%name% = '@@'\n",
    "if (%camel% === '@@') {\n",
    'variable "%name%" {\n  default = "@@"\n}\n',
    "        %name%: process.env.%NAME% || '@@',\n",
    '%name% = os.getenv("%NAME%", "@@")\n',
    "{{ %name% | default('@@') }}\n",
    '<property name="%camel%" value="@@"/>\n',
    '<Parameter name="%Name%">@@</Parameter>\n',
    '#define %NAME% "@@"\n',
    "ARG %NAME%=@@\n",
    "{w} login -u admin --%-% '@@'\n",
    "user: admin / %name%: @@\n",
    "| %name% | `@@` |\n",
    "echo '@@' | {w} login --%-%-stdin\n",
    '("%name%", "@@"),\n',
    "%NAME%: @@\n",
    "assert client.login('ada', '@@')\n",
    "%name%='@@' {w} --dry-run\n",
)

STRUCTURED = (
    ("url-mongo", "{w:18}", "mongo: mongodb+srv://svc:@@@cluster0.{w}.mongodb.net/?retryWrites=true\n"),
    ("url-smtp", "{w:14}", "EMAIL_URL=smtps://mailer:@@@smtp.{w}.com:465\n"),
    ("url-ldap", "{w:14}", "ldap://cn=admin:@@@ldap.{w}.org\n"),
    ("url-ftp", "{w:10}", "wget ftp://deploy:@@@files.{w}.net/x.tgz\n"),
    ("url-cloudinary", "{u:27}", "CLOUDINARY_URL=cloudinary://{n}5551234567:@@@{w}\n"),
    ("url-clickhouse", "{w:14}", '"clickhouse://default:@@@ch:9000/default"\n'),
    ("jdbc", "{w:14}", "jdbc:postgresql://db/app?user=app&password=@@&ssl=true\n"),
    ("odbc", "{w:14}", "Driver={PostgreSQL};Server=db;Uid=app;Pwd=@@;\n"),
    ("libpq", "{w:14}", "host=db port=5432 dbname=app user=app password=@@ sslmode=require\n"),
    ("service-bus", b64(32), "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=@@\n"),
    ("set-cookie", "{w:48}", "Set-Cookie: __Secure-auth=@@; Path=/; HttpOnly\r\n"),
    ("api-key-auth", b64(36), "Authorization: ApiKey @@\r\n"),
    ("private-token", "{w:20}", "PRIVATE-TOKEN: @@\n"),
    ("gcs", "{h:512}", "https://storage.googleapis.com/b/o?X-Goog-Expires=900&X-Goog-Signature=@@\n"),
    ("cloudfront", "{u:300}", "https://d1.cloudfront.net/f?Expires=1790000000&Key-Pair-Id=K2&Signature=@@\n"),
    ("wireguard", b64(32), "[Interface]\nPrivateKey = @@\nAddress = 10.0.0.2/32\n"),
    ("redis-conf", "{w:32}", "requirepass @@\n"),
    ("sshpass", "{w:11}", "sshpass -p '@@' ssh root@{w}.internal\n"),
    ("pgpass", "{w:13}", "db.{w}.internal:5432:app:app:@@\n"),
    ("htpasswd-cli", "{w:13}", "htpasswd -b .htpasswd admin @@\n"),
    ("chpasswd", "{w:13}", "echo 'deploy:@@' | chpasswd\n"),
    ("oracle", "{w:13}", "sqlplus system/@@@//db:1521/ORCL\n"),
    ("gcp-json", "{h:40}", '"private_key_id": "@@",\n'),
    ("ansible", "{w:16}", "ansible_become_pass: @@\n"),
    ("wpa", "{w:12}", 'network={\n  ssid="{w}"\n  psk="@@"\n}\n'),
    ("snmp", "{w:14}", "snmp-server community @@ RO\n"),
    (
        "teams-hook",
        lambda rng: draw(
            "{h:8}-{h:4}-{h:4}-{h:4}-{h:12}@{h:8}-{h:4}-{h:4}-{h:4}-{h:12}/IncomingWebhook/{h:32}/{h:8}-{h:4}-{h:4}-{h:4}-{h:12}",
            rng,
        ),
        "https://x.webhook.office.com/webhookb2/@@\n",
    ),
    ("raw-base64", b64(30), "{w}: retry {n} @@ done\n"),
    ("raw-quoted", "{w:40}", 'send("@@", {n})\n'),
)


def services(seed: int = 1, *, times: int = 4) -> list[Case]:
    rng = random.Random(f"A more services {seed}")
    return each(SERVICES, IN_SERVICES, rng, times=times)


def mixed(seed: int = 1, *, times: int = 30) -> list[Case]:
    rng = random.Random(f"A more mixed {seed}")
    made = each(PASSWORDS, IN_CODE, rng, times=times)
    for kind, recipe, text in STRUCTURED:
        made += each([(kind, recipe, "")], (text,), rng, times=max(2, times // 4))
    return made
