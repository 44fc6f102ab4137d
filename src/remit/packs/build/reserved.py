"""Words that generated code must not be named after."""
# ruff: noqa: SIM905 - a page of words is read, a page of quotes and commas is not

import keyword

KEYWORDS = frozenset(word.lower() for word in keyword.kwlist)
"""Python's keywords in lower case: no variable, module or attribute may be one."""

RENAMED_ATTRIBUTES = frozenset(
    """
    metadata registry query query_class
    copy json dict validate schema construct fields
    parse_obj parse_raw parse_file from_orm schema_json update_forward_refs
    self cls session request response settings
    """.split()
)
"""Names that SQLAlchemy, Pydantic or a template uses on the same object: the attribute gets a trailing underscore."""

RENAMED_CLASSES = frozenset(
    """
    Account Administrator Annotated Any AuditEntry Base BaseModel BaseSettings BigInteger Body Boolean Call Callable
    CheckConstraint Collection Column Columns ConfigDict Credentials CurrentUser Date DateTime DbSession Decimal Depends
    Dict Engine Enum Exception FastAPI Field Float ForeignKey Generic HTTPException Header Health Identifier InTenant
    Index Integer Interval Iterator JSON Json LargeBinary List Literal Login Mapped Mapper Mapping Money NoQuery Numeric
    Object Page PageQuery Path Principal Problem Query RateLimit Register Registration Request Response Router Row
    Sequence Session Set Settings StrEnum String Table Text Time Token Tuple Type TypeVar UTC UUID Unicode Union
    UniqueConstraint Uuid
    """.split()
)
"""Class names that generated modules import or define: an entity of such a name gets the suffix `Record`."""

RENAMED_VARIABLES = frozenset(
    """
    access account app body call column config current database db decimal datetime engine entity errors field filter id
    index input item items limit list model object offset page query request response role router row rows schema
    schemas scalars self session set settings statement table tenant token type user uuid values
    """.split()
)
"""Variables and modules that templates use themselves: an entity's variable of such a name gets `_record`."""
