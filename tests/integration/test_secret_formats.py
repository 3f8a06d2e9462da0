"""Which formats of secrets are masked before a text leaves the machine, and what stays readable."""

import re
import tomllib
from importlib import resources

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from batch_action.clients.secret_spans import find_spans
from batch_action.clients.secret_triggers import TRIGGERS, is_configuration, may_have_secret
from batch_action.clients.secrets import mask
from tests.harness.cpu import assert_at_most

TABLE = tomllib.loads(
    resources.files("batch_action.clients").joinpath("secret_formats.toml").read_text("utf-8")
)
_CHARS = {
    "h": "a1b2c3d4e5f60789",
    "l": "a1z2c3x4e5w60789",
    "U": "A1Z2C3X4E5W60789",
    "a": "aB1cD2eF3gH4iJ5k",
    "w": "aB1_cD2-eF3gH4iJ",
    "b": "aB1/cD2+eF3gH4iJ",
    "d": "1234567890987654",
}


def made_up(kind: str, length: int) -> str:
    """Return made-up characters of a kind."""
    return (_CHARS[kind] * (length // 16 + 1))[:length]


UUID = f"{made_up('h', 8)}-a1b2-4c3d-8e4f-{made_up('h', 12)}"
# (issuer, prefix cut in two, so that no scanner reports this file, the rest)
FORMATS = [
    ("1Password", "ops|_eyJ", made_up("w", 120)),
    ("age", "AGE-SECRET|-KEY-1", made_up("U", 58)),
    ("age after quantum computers", "AGE-SECRET|-KEY-PQ-1", made_up("U", 58)),
    ("Airtable", "pa|t", made_up("a", 14) + "." + made_up("h", 64)),
    ("Alibaba", "LT|AI", made_up("a", 20)),
    ("Anthropic", "sk-|ant-", "api03-" + made_up("w", 80)),
    ("Anthropic admin", "sk-|ant-", "admin01-" + made_up("w", 80)),
    ("Atlassian", "ATA|TT3", made_up("w", 80) + "=1A2B3C4D"),
    ("Atlassian", "ATC|TT3", made_up("w", 80)),
    ("Bitbucket", "AT|BB", made_up("a", 32)),
    ("AWS id", "AK|IA", "IOSFODNN7EXAMPLE"),
    ("AWS temporary id", "AS|IA", "IOSFODNN7EXAMPLE"),
    ("AWS Bedrock", "AB|SK", made_up("b", 110)),
    ("Azure DevOps", "", made_up("a", 76) + "AZ" + "DO" + "1aB2"),
    ("Azure", "", made_up("a", 52) + "JQQ" + "J99" + made_up("a", 26)),
    ("Entra", "aB1|8Q~", made_up("a", 34)),
    ("Brevo", "xkey|sib-", made_up("h", 64) + "-" + made_up("a", 16)),
    ("Brevo SMTP", "xsmtp|sib-", made_up("h", 64) + "-" + made_up("a", 16)),
    ("Buildkite", "bk|ua_", made_up("h", 40)),
    ("Buildkite agent", "bk|ct_", made_up("a", 73)),
    ("Buildkite job", "bk|aj_", made_up("w", 90) + "." + made_up("w", 200)),
    ("Buildkite portal", "bk|pat_", made_up("a", 54)),
    ("Cal.com", "cal_|live_", made_up("h", 32)),
    ("Cal.com of one's own", "ca|l_", made_up("h", 32)),
    ("CircleCI", "CCI|PAT_", made_up("a", 22) + "_" + made_up("h", 40)),
    ("Clojars", "CLO|JARS_", made_up("h", 60)),
    ("Cloudflare user", "cf|ut_", made_up("a", 48)),
    ("Cloudflare account", "cf|at_", made_up("a", 48)),
    ("Cloudflare key", "cf|k_", made_up("a", 48)),
    ("Cloudflare CA", "v1|.0-", made_up("h", 24) + "-" + made_up("h", 146)),
    ("Contentful", "CF|PAT-", made_up("w", 43)),
    ("Cargo", "c|io", made_up("a", 32)),
    ("Databricks", "da|pi", made_up("h", 32)),
    ("Databricks", "da|pi", made_up("h", 32) + "-2"),
    ("dbt", "db|tc_", made_up("a", 40)),
    ("Deno", "dd|p_", made_up("a", 36)),
    ("DigitalOcean", "dop|_v1_", made_up("h", 64)),
    ("DigitalOcean OAuth", "doo|_v1_", made_up("h", 64)),
    ("Discord", "M|", "a" * 23 + "." + "b" * 6 + "." + "c" * 27),
    ("Docker", "dckr|_pat_", made_up("w", 27)),
    ("Docker organization", "dckr|_oat_", made_up("w", 32)),
    ("Doppler", "dp.|pt.", made_up("a", 43)),
    ("Doppler service", "dp.|st.", "prd." + made_up("a", 43)),
    ("Duffel", "duffel|_live_", made_up("w", 43)),
    ("Dynatrace", "dt0|c01.", made_up("U", 24) + "." + made_up("U", 64)),
    ("E2B", "e2|b_", made_up("h", 40)),
    ("E2B access token", "sk_|e2b_", made_up("h", 40)),
    ("EasyPost", "EZ|AK", made_up("a", 54)),
    ("ElevenLabs", "sk|_", made_up("h", 48)),
    ("Facebook", "EA|A", made_up("a", 120)),
    ("Figma", "fig|d_", made_up("w", 40)),
    ("Firecrawl", "f|c-", made_up("h", 32)),
    ("Flutterwave", "FLW|SECK-", made_up("h", 32) + "-X"),
    ("Fly.io", "fm|2_", made_up("b", 120)),
    ("Frame.io", "fio|-u-", made_up("w", 64)),
    ("GitHub", "gh|p_", made_up("a", 36)),
    ("GitHub OAuth", "gh|o_", made_up("a", 36)),
    ("GitHub user", "gh|u_", made_up("a", 36)),
    ("GitHub app", "gh|s_", made_up("a", 36)),
    ("GitHub refresh", "gh|r_", made_up("a", 36)),
    ("GitHub fine-grained", "github|_pat_", made_up("a", 22) + "_" + made_up("a", 59)),
    ("GitLab", "gl|pat-", made_up("w", 20)),
    ("GitLab routable", "gl|pat-", made_up("w", 27) + ".01." + made_up("l", 9)),
    ("GitLab deploy", "gl|dt-", made_up("w", 20)),
    ("GitLab runner", "gl|rt-", made_up("w", 20)),
    ("GitLab job", "gl|cbt-", made_up("w", 22)),
    ("GitLab trigger", "gl|ptt-", made_up("h", 40)),
    ("GitLab OAuth", "gl|oas-", made_up("h", 64)),
    ("Google key", "AI|za", made_up("w", 35)),
    ("Google client", "GOC|SPX-", made_up("w", 28)),
    ("Google token", "ya|29.", made_up("w", 120)),
    ("Google refresh", "1/|/0", made_up("w", 60)),
    ("Grafana", "gl|sa_", made_up("a", 32) + "_" + made_up("h", 8)),
    ("Grafana Cloud", "gl|c_", made_up("b", 100)),
    ("Groq", "gs|k_", made_up("a", 52)),
    ("Heroku", "HR|KU-", UUID),
    ("HubSpot", "pat-|na1-", UUID),
    ("Hugging Face", "h|f_", made_up("a", 34)),
    ("Infracost", "ic|o-", made_up("a", 32)),
    ("Inngest", "signkey|-prod-", made_up("h", 64)),
    ("Jina", "ji|na_", made_up("h", 32) + made_up("w", 28)),
    ("JWT", "eyJhbGciOiJIUzI1NiJ9|.eyJzdWIiOiIxIn0.", made_up("w", 43)),
    ("LangSmith", "lsv2|_pt_", made_up("h", 32) + "_" + made_up("h", 10)),
    ("Langfuse", "sk-|lf-", UUID),
    ("LaunchDarkly", "sd|k-", UUID),
    ("Linear", "lin|_api_", made_up("a", 40)),
    ("Lob", "li|ve_", made_up("h", 35)),
    ("Mailchimp", "", made_up("h", 32) + "-us" + "12"),
    ("Mailgun", "ke|y-", made_up("h", 32)),
    ("Mapbox", "sk|.eyJ", made_up("a", 70) + "." + made_up("w", 22)),
    ("MongoDB", "mdb_sa|_sk_", made_up("w", 40)),
    ("Neon", "na|pi_", made_up("l", 64)),
    ("Neon project", "neon|_project_key_", made_up("h", 32)),
    ("Netlify", "nf|p_", made_up("a", 36)),
    ("New Relic", "NR|AK-", made_up("U", 27)),
    ("New Relic license", "", made_up("h", 32) + "FFFF" + "NR" + "AL"),
    ("New Relic license of Europe", "", "eu01xx" + made_up("h", 30) + "NR" + "AL"),
    ("Notion", "nt|n_", made_up("a", 46)),
    ("Notion", "secr|et_", made_up("a", 43)),
    ("npm", "np|m_", made_up("a", 36)),
    ("NuGet", "oy|2", made_up("l", 43)),
    ("NVIDIA", "nv|api-", made_up("w", 64)),
    ("OpenAI project", "sk-|proj-", made_up("w", 120)),
    ("OpenAI service", "sk-|svcacct-", made_up("w", 120)),
    ("OpenAI old", "sk|-", made_up("a", 20) + "T3Blbk" + "FJ" + made_up("a", 20)),
    ("DeepSeek", "s|k-", made_up("h", 32)),
    ("OpenRouter", "sk-|or-v1-", made_up("h", 64)),
    ("Packagist", "packagist|_uut_", made_up("h", 68)),
    ("Packagist read-only", "packagist|_ort_", made_up("h", 68)),
    ("Paddle", "pdl_live|_apikey_", made_up("l", 26) + "_" + made_up("a", 22) + "_AQO"),
    ("Perplexity", "pp|lx-", made_up("a", 48)),
    ("Pinecone", "pc|sk_", made_up("w", 70)),
    ("Plaid", "access-|sandbox-", UUID),
    ("PlanetScale", "pscale|_tkn_", made_up("w", 43)),
    ("PlanetScale password", "pscale|_pw_", made_up("w", 43)),
    ("Polar", "polar|_oat_", made_up("a", 43)),
    ("PostHog", "ph|x_", made_up("a", 43)),
    ("Postman", "PM|AK-", made_up("h", 24) + "-" + made_up("h", 34)),
    ("Prefect", "pn|u_", made_up("a", 36)),
    ("Pulumi", "pu|l-", made_up("h", 40)),
    ("PyPI", "pypi-|AgEIcHlwaS5vcmc", made_up("w", 120)),
    ("ReadMe", "rd|me_", made_up("l", 70)),
    ("Render", "rn|d_", made_up("a", 28)),
    ("Replicate", "r|8_", made_up("a", 37)),
    ("Resend", "r|e_", made_up("a", 8) + "_" + made_up("a", 24)),
    ("Rootly", "roo|tly_", made_up("h", 64)),
    ("RubyGems", "ruby|gems_", made_up("h", 48)),
    ("SendGrid", "S|G.", made_up("w", 22) + "." + made_up("w", 43)),
    ("Sentry", "sntr|ys_", "eyJ" + made_up("a", 80) + "=_" + made_up("b", 43)),
    ("Sentry user", "sntr|yu_", made_up("h", 64)),
    ("Sentry application", "sntr|ya_", made_up("h", 64)),
    ("Shippo", "shippo|_live_", made_up("h", 40)),
    ("Shopify", "shp|at_", made_up("h", 32)),
    ("Shopify", "shp|ss_", made_up("h", 32)),
    ("Slack bot", "xox|b-", "123456789012-123456789012-" + made_up("a", 24)),
    ("Slack user", "xox|p-", "123456789012-123456789012-" + made_up("h", 32)),
    ("Slack refresh", "xoxe|-1-", made_up("a", 140)),
    ("Slack app", "xa|pp-1-", "A0123456789-1234567890123-" + made_up("h", 64)),
    ("Slack workflow", "xw|fp-", "123456789012-" + made_up("a", 40)),
    ("Snyk", "snyk_|uat.", "1a2b3c4d." + made_up("w", 40)),
    ("SonarQube", "sq|p_", made_up("h", 40)),
    ("Sourcegraph", "sg|p_", made_up("h", 16) + "_" + made_up("h", 40)),
    ("Sourcegraph of one's own", "sg|p_", "local_" + made_up("h", 40)),
    ("Square", "sq0|atp-", made_up("w", 22)),
    ("Square OAuth", "sq0|csp-", made_up("w", 43)),
    ("Stripe live", "sk_|live_", made_up("a", 24)),
    ("Stripe test", "sk_|test_", made_up("a", 24)),
    ("Stripe restricted", "rk_|live_", made_up("a", 99)),
    ("Stripe restricted test", "rk_|test_", made_up("a", 24)),
    ("Stripe webhook", "wh|sec_", made_up("a", 32)),
    ("Svix", "wh|sec_", made_up("b", 44)),
    ("Standard Webhooks", "wh|sk_", made_up("b", 44)),
    ("Supabase", "sb|p_", made_up("h", 40)),
    ("Supabase OAuth", "sb|p_oauth_", made_up("h", 40)),
    ("Supabase secret", "sb_|secret_", made_up("w", 31)),
    ("Tailscale", "tskey|-auth-", made_up("a", 12) + "CNTRL-" + made_up("a", 32)),
    ("Tavily", "tv|ly-", "dev-" + made_up("a", 32)),
    ("Telegram", "123456789:|AA", made_up("w", 33)),
    ("Tencent", "AK|ID", made_up("a", 32)),
    ("Terraform", "", made_up("a", 14) + ".atlas" + "v1." + made_up("w", 67)),
    ("Together", "tgp|_v1_", made_up("w", 43)),
    ("Trigger.dev", "tr_|dev_", made_up("a", 20)),
    ("Trigger.dev", "tr_|preview_", "sk_" + made_up("a", 24)),
    ("Twilio", "S|K", made_up("h", 32)),
    ("Typeform", "tf|p_", made_up("w", 44)),
    ("Vault", "hv|s.", made_up("a", 24)),
    ("Vault batch", "hv|b.", made_up("w", 140)),
    ("Vercel", "vcp|_", made_up("a", 56)),
    ("Vercel refresh", "vcr|_", made_up("a", 56)),
    ("Voyage", "p|a-", made_up("w", 43)),
    ("Weights & Biases", "wandb|_v1_", made_up("a", 77)),
    ("Weights & Biases OAuth", "wb|_at_", made_up("w", 30) + "." + made_up("w", 43)),
    ("xAI", "xa|i-", made_up("a", 80)),
    ("Yandex", "AQ|VN", made_up("w", 36)),
    ("Zuplo", "zp|ka_", made_up("h", 32) + "_" + made_up("h", 8)),
]


@pytest.mark.parametrize(("issuer", "prefix", "rest"), FORMATS)
@pytest.mark.parametrize("around", ['key = "{}"\n', "KEY={}\n", "curl -H 'X: {}' x", "{}"])
def test_an_issued_secret_is_masked(issuer, prefix, rest, around):
    secret = prefix.replace("|", "") + rest
    masked, count = mask(around.format(secret))
    assert count == 1, issuer
    assert masked == around.format("•" * len(secret)), issuer
    assert mask(masked) == (masked, 0)
    assert may_have_secret(around.format(secret))


def test_the_table_is_long_enough():
    assert len(FORMATS) >= 100


# (text with the secret between « and »)
BY_NAME = [
    "AWS_SECRET_ACCESS_KEY=«" + made_up("b", 40) + "»\n",
    "export AWS_SECRET_ACCESS_KEY=«" + made_up("b", 40) + "»\n",
    'aws_secret_access_key = "«' + made_up("b", 40) + '»"\n',
    '{"SecretAccessKey": "«' + made_up("b", 40) + '»"}',
    "secretAccessKey: '«" + made_up("b", 40) + "»',\n",
    "AWS_SESSION_TOKEN=«" + made_up("b", 200) + "»\n",
    "DD_API_KEY=«" + made_up("h", 32) + "»\n",
    "NEW_RELIC_LICENSE_KEY=«" + made_up("h", 40) + "»\n",
    "Authorization: Bearer «" + made_up("w", 40) + "»\n",
    "headers = {'Authorization': 'Basic «" + made_up("a", 24) + "»'}\n",
    "Endpoint=sb://x;SharedAccessKeyName=n;SharedAccessKey=«" + made_up("b", 43) + "=»\n",
    "https://x.blob.core.windows.net/c?sv=1&sig=«" + made_up("a", 43) + "%3D»\n",
    "https://discord.com/api/webhooks/12345/«" + made_up("w", 68) + "»\n",
    # passwords in connection strings
    "postgres://app:«hunter2»@db.internal:5432/app",
    "url = 'mysql+pymysql://root:«s3cr3t!»@127.0.0.1/x'",
    "mongodb+srv://u:«p4ssw0rd%21»@cluster0.x.mongodb.net",
    "redis://:«hunter2»@cache:6379/0",
    "amqp://guest:«guest»@mq:5672",
    "https://bot:«tok3n99»@git.example.com/x.git",
    "Server=db;Database=x;User Id=sa;Password=«Hunter!2»;Encrypt=true",
    "Password=«Hunter!2»;Server=db",
    'c = "Data Source=db;Uid=sa;Pwd=«Hunter2»"',
    "d = 'host=h user=u password=«hunter2» dbname=x'",
    'd = "jdbc:mysql://h/db?user=u&password=«hunter2»"',
    'd = "app:«hunter2»@tcp(h:3306)/db"',
    "postgres://app:«hun@ter2»@db.internal/app",
    "curl -s -u admin:«hunter2» https://x.example/a",
    "sshpass -p «hunter2» ssh a",
    "curl -u admin:«hunter2»;./evil",
    "sshpass -p «hunter2»;./evil",
    'proxy_set_header Authorization "Basic «' + made_up("a", 24) + '»";\n',
]


@pytest.mark.parametrize("marked", BY_NAME)
def test_a_secret_is_masked_by_what_is_around_it(marked):
    check_marked(marked, "")


def check_marked(marked: str, path: str) -> None:
    before, rest = marked.split("«")
    secret, after = rest.split("»")
    masked, count = mask(before + secret + after, path)
    # Of its lines in another order, and with others between them.
    lines = (before + secret + after).split("\n")
    assert may_have_secret("\nx = 1\n".join(reversed(lines)), path)
    assert masked == before + "•" * len(secret) + after
    assert count == 1
    assert mask(masked, path) == (masked, 0)


# (path, text)
ASSIGNMENTS = [
    (".env", "DB_PASSWORD=«hunter2»\n"),
    (".env.production", "export STRIPE_SECRET='«abc123def»'\n"),
    ("app/config.yml", "database:\n  password: «hunter2»\n"),
    ("app/config.yaml", '  api_key: "«abc-123-def»"  # for the demo\n'),
    ("app/config.yaml", "  password: «hunter2»  # for the demo\n"),
    ("k8s.yaml", "env:\n- name: DB_PASSWORD\n  value: «hunter2»\n"),
    ("k8s.yaml", "env:\n  - name: API_TOKEN\n    value: '«abc123»'\n"),
    ("appsettings.json", '{\n  "Jwt": {"SecretKey": "«abc123def456»"}\n}\n'),
    ("config.json", '{"user": "x", "password": "«hunter2»"}\n'),
    ("application.properties", "spring.datasource.password=«hunter2»\n"),
    ("setup.cfg", "[x]\npassword = «hunter2»\n"),
    ("my.ini", "Password=«hunter2»\r\n"),
    ("pyproject.toml", 'token = "«abc123def»"\n'),
    ("main.tf", 'resource "x" "y" {\n  password = "«hunter2»"\n}\n'),
    ("web.config", '<add key="DbPassword" value="«hunter2»" />\n'),
    ("pom.xml", "<password>«hunter2»</password>\n"),
    ("Dockerfile", "ENV API_TOKEN=«abc123»\n"),
    ("deploy.sh", "export TOKEN=«abc123»\n"),
    ("docker-compose.yml", "    environment:\n      - MYSQL_ROOT_PASSWORD=«root»\n"),
    ("x.yml", "client-secret: «1234abcd»\n"),
    ("x.yml", "password: «123456»\n"),
    ("x.conf", "auth_key = «abc123»;\n"),
    ("docker-compose.yml", '      - "MYSQL_PASSWORD=«hunter2»"\n'),
    ("docker-compose.yml", "command: redis-server --requirepass «hunter2»\n"),
    ("docker-compose.yml", 'command: ["redis-server", "--requirepass", "«hunter2»"]\n'),
    ("x.yml", "password: '«hun''ter2»'\n"),
    ("x.yml", "password: >-\n  «hunter2»\n"),
    ("x.yml", "token: |\n  «hunter2»\nnext: 1\n"),
    ("x.yml", "password: !!str «hunter2»\n"),
    ("x.yml", "db: {user: a, password: «hunter2»}\n"),
    ("x.yml", "db: {password: «hunter2», host: b}\n"),
    ("x.yml", "- {name: DB_PASSWORD, value: «hunter2»}\n"),
    ("x.yml", "password: «hun#ter,2»\n"),
    ("x.yml", "ansible_become_pass: «hunter2»\n"),
    ("main.tf", 'variable "db_password" {\n  type = string\n  default = "«hunter2»"\n}\n'),
    ("main.tf", 'environment = { HOST = "a", DB_PASSWORD = "«hunter2»" }\n'),
    ("main.tf", 'password = "«hun\\"ter2»"\n'),
    ("x.toml", 'password = """«hunter2»"""\n'),
    ("Dockerfile", "ENV DB_PASSWORD «hunter2»\n"),
    ("Dockerfile", "ENV A=b DB_PASSWORD=«hunter2» C=d\n"),
    ("x.sh", "PGPASSWORD=«hunter2» psql -h db\n"),
    ("x.sh", "export TOKEN=«abc1»;./evil\n"),
    ("x.sh", "mysql -u root --password=«hunter2»\n"),
    ("x.sh", "if [ x ]; then export TOKEN=«hunter2»; fi\n"),
    ("web.xml", '<property name="password">«hunter2»</property>\n'),
    ("web.xml", '<user name="a" password="«hunter2»" roles="b"/>\n'),
    ("web.xml", "<db:password><![CDATA[«hunter2»]]></db:password>\n"),
    ("Info.plist", "<key>ApiToken</key>\n  <string>«hunter2»</string>\n"),
    (".netrc", "machine a login b password «hunter2»\n"),
]


@pytest.mark.parametrize(("path", "marked"), ASSIGNMENTS)
def test_a_literal_that_a_configuration_calls_a_secret_is_masked(path, marked):
    check_marked(marked, path)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("x.yml", "password: ${DB_PASSWORD}\n"),
        ("x.yml", 'password: "${DB_PASSWORD:-}"\n'),
        ("x.yml", "password: {{ vault.password }}\n"),
        ("x.yml", 'password: \'{{ lookup("env", "X") }}\'\n'),
        ("ci.yml", "token: ${{ secrets.GITHUB_TOKEN }}\n"),
        ("ci.yml", "permissions:\n  id-token: write\n"),
        ("x.yml", "password: !Ref DbPassword\n"),
        ("x.yml", "password: *default_password\n"),
        ("x.yml", "password: $(cat /run/secrets/db)\n"),
        ("x.yml", "password:\n  secretKeyRef:\n    name: db\n    key: password\n"),
        ("x.yml", "existingSecret: my-release\nimagePullSecret: regcred\n"),
        ("x.yml", "secretName: tls-cert\npassword_min_length: 12\ntoken_expiry: 3600\n"),
        ("x.yml", "password: changeme\napi_key: your-api-key\ntoken: <token>\nsecret: xxxxxxxx\n"),
        ("x.yml", "password: string\nsecret: true\ntoken: null\n"),
        ("x.yml", "password: ''\nsecret: \"\"\ntoken:\n"),
        ("x.yml", "secret: /run/secrets/db_password\ntoken: ./token.txt\n"),
        ("x.yml", "password: Enter your password please\n"),
        ("x.yml", "max_token: 4096\n"),
        ("x.sh", 'TOKEN=$1\nPASSWORD="$DB_PASSWORD"\nSECRET=$(openssl rand -hex 16)\n'),
        ("x.bat.conf", "TOKEN=%TOKEN%\n"),
        # What runs is never hidden.
        ("x.sh", "TOKEN=`./evil`\nexport TOKEN=;./evil\nTOKEN=$PASS ./run --password-stdin\n"),
        ("x.sh", 'run --token TOKEN --password "$P2" --secret id=a1,src=b --token=${T2}\n'),
        ("x.yml", "db: {user: a, password: ${DB_PASSWORD}, token: *t1}\n"),
        ("x.yml", "bypass: level1\ncompass: north1\nsecond_pass: 100\n"),
        ("nginx.conf", "proxy_pass http://a1:80;\n"),
        ("main.tf", 'variable "db_password" {\n  type = string\n  default = ""\n}\n'),
        ("main.tf", "tags = { token = var.token, secret = local.s1 }\n"),
        ("web.xml", '<property name="password">${db.password}</property>\n'),
        ("a.sh", 'curl -u "$USER:$TOKEN" x; curl -u user:${TOKEN} x; curl --user x:$T y\n'),
        ("a.md", "Authorization basic authentication; https://x.example/?password={pw}&a=1\n"),
        ("main.tf", "  password = var.db_password\n  token = data.x.token\n"),
        ("main.tf", '  password = "${random_password.db.result}"\n  x = random_password(1)\n'),
        ("tokenizer.json", '{"eos_token": "<|endoftext|>", "pad_token": "[PAD]"}\n'),
        ("locales/de.json", '{"password": "Passwort"}\n'),
        ("src/i18n/en.yml", "password: Password1\n"),
        ("package.json", '{"dependencies": {"js-tokens": "^4.0.0"}}\n'),
        ("app.py", "password = 'hunter2'\ntoken: str = field()\n"),
        ("app.ts", "password: string;\nconst token = getToken();\n"),
        ("a.py", "url = f'postgres://{user}:{password}@{host}/x'\n"),
        ("a.py", "url = 'postgres://user:password@localhost/x'\n"),
        ("a.py", "url = 'postgres://user:%s@localhost/x' % p\n"),
        ("a.sh", 'curl "https://x:${TOKEN}@host/x"\n'),
        ("a.py", "connect(host=h, password=pw, port=5)\n"),
        ("a.cs", 'var c = "Server=x;Password={0};";\n'),
        ("a.py", "sk-learn and task-sk-1 and hf_hub_download_of_some_long_name_here\n"),
        ("a.css", ".sk-animation-container-with-a-very-long-name-12 { }\n"),
        ("a.py", "secret_key_for_signing_requests_with_hmac_sha256 = load()\n"),
        ("a.py", "re_compile_a_rather_long_name_of_a_function_12 = 1\n"),
        ("a.py", "path.to.some_module.with_a_very_long_name.and_more.attributes.v1.x.y.z.a.b.c\n"),
        ("a.md", "Put `whsec_` and base64 there; `ghp_…` is a token, `sk_test_...` a key.\n"),
        ("a.py", "x = 'https://example.com:8080/a@b'\n"),
        ("a.lock", "integrity sha512-" + made_up("b", 86) + "==\n"),
    ],
)
def test_references_placeholders_and_code_stay_readable(path, text):
    assert mask(text, path) == (text, 0)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/.env.local", True),
        ("Dockerfile", True),
        ("x/prod.Dockerfile", True),
        ("a.YAML", True),
        ("a.py", False),
        ("lang/en.json", False),
        ("src/languages.json", False),
        ("", False),
    ],
)
def test_configuration_files_are_known_by_name(path, expected):
    assert is_configuration(path) is expected


@pytest.mark.parametrize(
    "text",
    [
        "sk-lf-" * 40_000,
        "://" * 80_000,
        "://a:" * 50_000,
        "password=" * 30_000,
        "name: " * 40_000,
        "name" + " " * 200_000,
        "password: " + "a" * 200_000,
        "token" * 50_000,
        "secretkey" + " " * 200_000,
        '{"password": "' + "\\" * 200_000,
        "curl " * 40_000,
        "curl -u a" * 20_000 + "password=",
        "host=a " * 30_000 + "password=",
        'variable "token" {' * 10_000,
        " --token" * 25_000,
        "pass=" * 40_000,
        "{token:" * 30_000,
        "@tcp(" + "a." * 100_000,
        "login a " * 25_000 + "token",
        "<password>" * 20_000,
        "Server=x;" * 20_000 + "Password=" * 5_000,
    ],
)
def test_no_text_takes_long(text):
    assert_at_most(200, lambda: mask(text, "x.yml"), floor=lambda: list(map(ord, text)))


def test_every_format_names_its_issuers_page():
    for *_, page, read in (*TABLE["prefixes"], *TABLE["patterns"]):
        assert page.startswith("https://")
        assert read == "" or read.count("-") == 2


@pytest.mark.parametrize("around", ["", " ", '"'])
def test_the_shortest_secret_of_each_format_is_masked(around):
    kinds = {"H": "h", "j": "a", "$": "l"}
    for issuer, prefixes, alphabet, length, *_ in TABLE["prefixes"]:
        for prefix in prefixes:
            token = prefix + made_up(kinds.get(alphabet, alphabet), length)
            masked = mask(f"x =\n{around}{token}{around}\n")
            assert masked == (f"x =\n{around}{'•' * len(token)}{around}\n", 1), issuer


FRAGMENTS = st.one_of(
    st.sampled_from([prefix for row in TABLE["prefixes"] for prefix in row[1]]),
    st.sampled_from([row[1] for row in TABLE["patterns"]]),
    st.sampled_from([word for _, *words in TRIGGERS.values() for word in words]),
    st.sampled_from(["Server=db;Password=", "curl -u ada:", "https://ada:", "pwd=", "@tcp(db)"]),
    st.sampled_from(["@db.example.org", "-----BEGIN RSA PRIVATE KEY-----", "AKIA", "Bearer "]),
    st.sampled_from([" ", "\n", "=", ":", '"', ";", "_", "é", "\u212a", "İ", "\ud800"]),
    st.sampled_from([made_up(kind, n) for kind in _CHARS for n in (3, 10, 16, 20, 32, 40, 64)]),
)


@settings(max_examples=500, suppress_health_check=list(HealthCheck))
@given(st.lists(FRAGMENTS, max_size=8).map("".join), st.sampled_from(["", "a.py", ".env", "x.yml"]))
def test_no_text_with_a_secret_is_ruled_out(text, path):
    spans = find_spans(text, text.lower(), is_config=is_configuration(path))
    assume(spans and len(text.lower()) == len(text))
    assert may_have_secret(text, path)


# Of an expression that looks ahead, hypothesis makes no texts.
@pytest.mark.parametrize(
    "row", [row for row in TABLE["patterns"] if "(?=" not in row[2]], ids=lambda row: row[0]
)
def test_whatever_an_expression_of_the_table_finds_is_masked(row):
    """The searches that rule most texts out must let each of these through."""
    _, word, expression, *_ = row
    pattern = re.compile(expression, re.ASCII)

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(pattern), st.sampled_from(["", "x = 1\n", "é "]))
    def check(text, before):
        text = before + text
        found = pattern.search(text)
        assume(found is not None and word.lower() in text.lower())
        start, end = found.span(pattern.groups)
        masked = mask(text)[0]
        assert set(masked[start:end]) <= {"•", "\n", "\r"}

    check()
