"""Who may do what, how data is protected, how tenants are kept apart, and what it costs: parts of an intake."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Discriminator, Field, StringConstraints, Tag

from remit.packs.build.ir import Action
from remit.packs.build.schema_document import Document, Line, Many, Name, Path, Prose


class AuthMethod(StrEnum):
    """Ways of signing in that an intake may name; the rules say which of them can be generated."""

    PASSWORD = "password"  # noqa: S105 - the name of a method, not a secret
    JWT = "jwt"
    SESSION = "session"
    API_KEY = "api_key"
    OAUTH2 = "oauth2"
    OIDC = "oidc"
    SAML = "saml"
    MAGIC_LINK = "magic_link"


class AuthorizationModel(StrEnum):
    """How rights are decided."""

    RBAC = "rbac"
    ABAC = "abac"


class Standard(StrEnum):
    """Compliance standards an intake may name."""

    GDPR = "gdpr"
    HIPAA = "hipaa"
    SOC2 = "soc2"
    PCI_DSS = "pci_dss"
    ISO27001 = "iso27001"


class Isolation(StrEnum):
    """How tenants are kept apart."""

    DB = "db"
    SCHEMA = "schema"
    ROW = "row"


class BillingProvider(StrEnum):
    """Who takes the money; `manual` is an operator who sets the tier."""

    MANUAL = "manual"
    STRIPE = "stripe"
    PADDLE = "paddle"


class BillingModel(StrEnum):
    """What a price is for."""

    SUBSCRIPTION = "subscription"
    PER_SEAT = "per_seat"
    ONE_TIME = "one_time"
    USAGE = "usage"
    FREEMIUM = "freemium"


class Interval(StrEnum):
    """How often a price is due."""

    MONTH = "month"
    YEAR = "year"
    ONCE = "once"


class Authentication(Document):
    """How accounts sign in; `tokenMinutes` is the life of a token."""

    methods: Annotated[Many[AuthMethod], Field(min_length=1)] = (AuthMethod.PASSWORD, AuthMethod.JWT)
    providers: Many[Name] = ()
    mfa: bool = False
    token_minutes: Annotated[int, Field(ge=1, le=43_200)] = 60
    registration: bool = True


class RoleSpec(Document):
    """A role; it may do what the roles it inherits may do."""

    name: Name
    label: Line | None = None
    description: Prose = ""
    inherits: Many[Name] = ()
    default: bool = False


def _role_kind(value: object) -> str:
    return "one" if isinstance(value, str) else "object"


type RoleEntry = Annotated[Annotated[Name, Tag("one")] | Annotated[RoleSpec, Tag("object")], Discriminator(_role_kind)]
"""A role's name, or a role with its label, what it inherits and whether it is the default."""


class PermissionSpec(Document):
    """`role` may do `actions` with the rows of `resource`: an entity's name, or `*` for all."""

    role: Name
    resource: Name
    actions: Annotated[Many[Action], Field(min_length=1)]


class Authorization(Document):
    """Roles and what they may do. Without permissions every signed-in account may do everything."""

    model: AuthorizationModel = AuthorizationModel.RBAC
    roles: Many[RoleEntry] = ()
    permissions: Many[PermissionSpec] = ()

    @property
    def declared(self) -> tuple[RoleSpec, ...]:
        """The roles, those given by name alone included."""
        return tuple(RoleSpec(name=role) if isinstance(role, str) else role for role in self.roles)


class Encryption(Document):
    """What is to be encrypted; `inTransit` is the duty of the reverse proxy in front of the application."""

    at_rest: bool = False
    in_transit: bool = True


class DataProtection(Document):
    """Personal and sensitive data, each as `Entity.field`."""

    encryption: Encryption = Encryption()
    pii: Many[Path] = ()
    sensitive_fields: Many[Path] = ()


class Compliance(Document):
    """Standards to meet; `dataRetention` in days."""

    standards: Many[Standard] = ()
    audit_log: bool = False
    data_retention: Annotated[int, Field(ge=1, le=36_500)] | None = None


class Security(Document):
    """Sign-in, rights, protection and compliance."""

    authentication: Authentication = Authentication()
    authorization: Authorization = Authorization()
    data_protection: DataProtection = DataProtection()
    compliance: Compliance = Compliance()


class MultiTenancy(Document):
    """Tenants of one installation; `tenantIdentifier` names the column."""

    isolation: Isolation = Isolation.ROW
    tenant_identifier: Name = "tenant_id"
    allow_cross_tenant: bool = False


class TierSpec(Document):
    """A tier and the ids of the features it opens; the price is exact and not negative."""

    name: Name
    label: Line | None = None
    price: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=4)]
    interval: Interval = Interval.MONTH
    features: Many[Name] = ()


class BillingSpec(Document):
    """What the application is sold for; `trialPeriod` in days, `currency` an ISO 4217 code."""

    provider: BillingProvider = BillingProvider.MANUAL
    model: BillingModel = BillingModel.SUBSCRIPTION
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    tiers: Annotated[Many[TierSpec], Field(min_length=1, max_length=50)]
    trial_period: Annotated[int, Field(ge=0, le=365)] = 0
