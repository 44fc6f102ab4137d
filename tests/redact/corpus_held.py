"""Half B of the development set, held out: vendors and notations that no rule was written from.

Its result is looked at rarely; a rule changed because of what is missed here would make it more of half A.
"""

from __future__ import annotations

import base64
import random

from .corpus import Case, b64, draw, each

SERVICES = (
    ("amplitude", "{h:32}", "amplitude secret key"),
    ("apollo-graph", "service:{a:8}:{u:22}", "apollo key"),
    ("assemblyai", "{h:32}", "assemblyai api key"),
    ("auth0", "{u:64}", "auth0 client secret"),
    ("azure-speech", "{h:32}", "speech subscription key"),
    ("bamboohr", "{h:40}", "bamboohr api key"),
    ("bigcommerce", "{n:31}", "bigcommerce access token"),
    ("bunny", "{h:8}-{h:4}-{h:4}-{h:12}-{h:4}-{h:4}", "bunny storage password"),
    ("circleci", "{h:40}", "circle token"),
    ("closeio", "api_{w:22}.{w:22}", "close api key"),
    ("codeclimate", "{h:64}", "cc test reporter secret"),
    ("customerio", "{h:20}", "customerio api key"),
    ("deepgram", "{h:40}", "deepgram api key"),
    ("docusign", "{uuid}", "docusign secret key"),
    ("fullstory", b64(40), "fullstory api key"),
    ("gumroad", "{u:43}", "gumroad access token"),
    ("hunter", "{h:40}", "hunter api key"),
    ("ipinfo", "{h:14}", "ipinfo token"),
    ("lokalise", "{h:40}", "lokalise token"),
    ("mixpanel", "{w:32}", "mixpanel service secret"),
    ("nowpayments", "{N:7}-{N:7}-{N:7}-{N:7}", "nowpayments key"),
    ("vonage", "{w:16}", "vonage api secret"),
    ("oanda", "{h:32}-{h:32}", "oanda token"),
    ("opsgenie", "{uuid}", "opsgenie api key"),
    ("percy", "{h:64}", "percy token"),
    ("phantombuster", "{w:43}", "phantombuster key"),
    ("polygon", "{w:32}", "polygon api key"),
    ("pusher", "{h:20}", "pusher secret"),
    ("quandl", "{w:20}", "quandl api key"),
    ("rollbar", "{h:32}", "rollbar server token"),
    ("saucelabs", "{uuid}", "sauce access key"),
    ("scrapingbee", "{N:80}", "scrapingbee key"),
    ("segment", "{w:32}", "segment write key"),
    ("stream", "{n:60}", "stream api secret"),
    ("tenable", "{h:64}", "tenable secret key"),
    ("toggl", "{h:32}", "toggl api token"),
    ("tomtom", "{w:32}", "tomtom key"),
    ("ubidots", "BBFF-{w:30}", "ubidots token"),
    ("vultr", "{N:36}", "vultr api key"),
    ("wakatime", "waka_{uuid}", "wakatime api key"),
    ("webflow", "{h:64}", "webflow token"),
    ("yelp", "{u:128}", "yelp api key"),
    (
        "youtrack",
        lambda rng: "perm:" + base64.b64encode(draw("{a:6}", rng).encode()).decode() + draw(".NTctMQ==.{w:30}", rng),
        "youtrack token",
    ),
    ("hetzner", "{w:64}", "hcloud token"),
    ("linode", "{h:64}", "linode token"),
    ("mistral", "{w:32}", "mistral api key"),
    ("cohere", "{w:40}", "cohere api key"),
    ("zerobounce", "{h:32}", "zerobounce key"),
    ("fastspring", "{l:22}", "fastspring password"),
    ("acme", "acme_prod_sk_{w:36}", "acme key"),
)

IN_SERVICES = (
    'ext.%camel% = "@@"\n',
    '    static let %camel% = "@@"\n',
    'const val %NAME% = "@@"\n',
    '  "{w}": { "%Name%": "@@", "Timeout": {n} },\n',
    'config :{w}, %name%: "@@"\n',
    'Sys.setenv(%NAME% = "@@")\n',
    "$ENV{%NAME%} = '@@';\n",
    '[Environment]::SetEnvironmentVariable("%NAME%", "@@", "User")\n',
    'withEnv(["%NAME%=@@", "CI=1"]) {\n',
    "    env:\n      %NAME%: @@\n",
    "helm upgrade {w} ./chart --set {w}.%camel%=@@\n",
    '  %name% = "@@";\n',
    'Environment="%NAME%=@@"\n',
    "%NAME% ?= @@\n",
    'proxy_set_header X-%-% "@@";\n',
    '{"key": "%name%", "value": "@@", "enabled": true}\n',
    '<string name="%name%">@@</string>\n',
    "<key>%Name%</key>\n<string>@@</string>\n",
    '{"level":"warn","msg":"refused","%camel%":"@@","n":{n}}\n',
    "{w}.ApiError: Client(base='https://{w}', %name%='@@') failed\n",
    "hi, the %name% for {w} is `@@`, please rotate it\n",
    'gh secret set %NAME% --body "@@"\n',
)

PASSWORDS = (
    ("password-three-classes", "{l:5}{d:3}!{l:3}", "database password"),
    (
        "password-city-year",
        lambda rng: rng.choice(["Lisbon", "Nairobi", "Quito", "Hanoi"]) + draw("{d:4}$", rng),
        "ldap password",
    ),
    ("password-lower", "{a:12}", "ftp password"),
    (
        "password-word",
        lambda rng: rng.choice(["butterfly", "avalanche", "blueberry", "moonlight", "snowflake"]),
        "mail password",
    ),
    ("password-digits", "{d:8}", "door pin"),
    (
        "passphrase-dots",
        lambda rng: ".".join(rng.sample(["amber", "willow", "cobalt", "meadow", "falcon", "harvest"], 4)),
        "gpg passphrase",
    ),
    ("secret-hex-40", "{h:40}", "cookie secret"),
    ("secret-base64-16", b64(16), "cipher key"),
    ("secret-base64-48", b64(48), "hmac key"),
    ("secret-upper-digits", "{N:24}", "licence key"),
    ("token-letters", "{l:24}", "session token"),
    ("token-colon", "{n:8}:{w:24}", "service token"),
)

IN_CODE = (
    *IN_SERVICES[:12],
    "[client]\nuser = {w}\n%name% = @@\n",
    "        '%NAME%': '@@',\n        'HOST': 'db',\n",
    '<user username="{w}" %camel%="@@" roles="manager"/>\n',
    '<property name="hibernate.%.%">@@</property>\n',
    "db.createUser({ user: '{w}', %camel%: '@@', roles: [] })\n",
    "  %name% => '@@',\n",
    "default['{w}']['%name%'] = '@@'\n",
    "kubectl create secret generic {w} --from-literal=%name%=@@\n",
    "vault kv put secret/{w} %name%=@@\n",
    '{"username": "ada", "%name%": "@@"}\n',
    "username=ada&%name%=@@&remember=1\n",
    'mutation { signIn(user: "ada", %camel%: "@@") { id } }\n',
    '@Value("${{w}.%.%:@@}")\n',
    "%name%     @@\n",
    "-- %name%: @@\n",
    "// %name% = @@\n",
    'std::string %name% = "@@";\n',
    'private readonly string _%camel% = "@@";\n',
    'os.Setenv("%NAME%", "@@")\n',
    "process.env.%NAME% = '@@'\n",
    "  %-%: @@\n",
    "%NAME%=@@ ./{w} --once\n",
    'expect(form.%camel%).toBe("@@")\n',
)

STRUCTURED = (
    ("url-token", "{w:36}", "https://x-access-token:@@@git.{w}.com/a/b.git\n"),
    ("url-smb", "{w:12}", "smb://ada:@@@nas.{w}.lan/share\n"),
    ("url-imap", "{w:12}", "imaps://ada%40x.org:@@@mail.{w}.org/INBOX\n"),
    (
        "url-kafka",
        "{w:20}",
        'sasl.jaas.config=org.x.security.plain.PlainLoginModule required username="u" password="@@";\n',
    ),
    ("ldif", "{w:12}", "dn: uid=ada\nuserPassword: @@\n"),
    ("radius", "{w:12}", 'bob Cleartext-Password := "@@"\n'),
    ("ipsec", "{w:18}", '203.0.113.1 : PSK "@@"\n'),
    ("cisco", "{w:12}", "username admin privilege 15 password 0 @@\n"),
    ("inventory", "{w:12}", "web1 ansible_host=10.0.0.1 ansible_ssh_pass=@@\n"),
    ("aws-configure", "{b:39}{w:1}", "aws configure set aws_secret_access_key @@\n"),
    ("keyvault", "{w:20}", "az keyvault secret set --vault-name v --name db-password --value '@@'\n"),
    ("redis-auth", "{w:24}", "redis-cli> AUTH @@\n"),
    ("redis-config", "{w:24}", 'CONFIG SET requirepass "@@"\n'),
    ("mongo-cli", "{w:12}", "mongosh db.{w}.net -u root -p @@ --quiet\n"),
    ("jdbc-call", "{w:12}", 'DriverManager.getConnection(url, "app", "@@");\n'),
    ("requests-auth", "{w:14}", 'requests.get(url, auth=("ada", "@@"))\n'),
    ("wsse", "{w:14}", '<wsse:Password Type="PasswordText">@@</wsse:Password>\n'),
    (
        "k8s-data",
        lambda rng: base64.b64encode(draw("{w:18}", rng).encode()).decode(),
        "kind: Secret\ndata:\n  password: @@\n",
    ),
    ("git-credentials", "{w:40}", "https://ada:@@@git.{w}.org\n"),
    ("grafana-ini", "{w:12}", "[security]\nadmin_password = @@\n"),
    ("net-user", "{w:12}", "net user deploy @@ /add\n"),
    ("openssl", "{w:12}", "openssl pkcs12 -in a.p12 -passin pass:@@ -out a.pem\n"),
    ("keytool", "{w:12}", "keytool -list -keystore a.jks -storepass @@\n"),
    ("zip", "{w:12}", "zip -P @@ out.zip data\n"),
    ("chat", "{w:5}{d:3}!", "pw: @@\n"),
    ("digest-auth", "{h:32}", 'Authorization: Digest username="a", realm="r", response="@@"\n'),
    ("hmac-header", "{h:64}", "X-Hub-Signature-256: sha256=@@\n"),
    ("sentry-dsn-old", "{h:32}", "SENTRY_DSN=https://0123:@@~~@sentry.io/42\n".replace("~~", "")),
    ("saml", "{w:32}", '"client_assertion": "@@"\n'),
    ("stripe-cli", "rk_te~~st_{w:40}", "stripe listen --api-key @@\n"),
    (
        "pem",
        lambda rng: base64.b64encode(rng.randbytes(48)).decode(),
        "-----BEGIN EC PRIVATE KEY-----\n@@\n-----END EC PRIVATE KEY-----\n".replace(
            "EC PRIVATE", "EC PRI~~VATE"
        ).replace("~~", ""),
    ),
)


def services(seed: int = 1, *, times: int = 4) -> list[Case]:
    rng = random.Random(f"B services {seed}")
    return each(SERVICES, IN_SERVICES, rng, times=times)


def mixed(seed: int = 1, *, times: int = 30) -> list[Case]:
    rng = random.Random(f"B mixed {seed}")
    made = each(PASSWORDS, IN_CODE, rng, times=times)
    for kind, recipe, text in STRUCTURED:
        made += each([(kind, recipe, "")], (text,), rng, times=max(2, times // 4))
    return made
