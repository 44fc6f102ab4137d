"""AWS Secrets Manager, through boto3 (extra ``aws``), which finds region and credentials as it always does.

Needs ``secretsmanager:GetSecretValue``; to write also ``PutSecretValue``, ``CreateSecret``, ``DescribeSecret`` and
``DeleteSecret``; to list ``ListSecrets`` and ``ListSecretVersionIds``.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from remit.adapters.secrets.answers import binary, late, refused, silent, unknown
from remit.kernel.errors import Conflict, InvalidInput, NotFound, RemitError
from remit.kernel.ports import SecretValue
from remit.kernel.secret_sources import SecretSource

if TYPE_CHECKING:
    from datetime import datetime

WHERE = "AWS Secrets Manager"
#: AWS keeps what is deleted for so long, so that a person may bring it back; it allows no less.
RECOVERY_DAYS = 7

_MISSING = frozenset({"ResourceNotFoundException"})
_PASSING = frozenset(
    [
        *("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"),
        *("InternalServiceError", "InternalServiceErrorException", "ServiceUnavailable", "InternalFailure"),
    ]
)
_SERVER_ERROR = 500
_SHORTEST_VERSION = 32


class AwsSecrets:
    """The AWS backend. The client is made with the first request; any thread may use it.

    ``#VERSION`` of a reference is a version id or a stage (``AWSPREVIOUS``). Without one, ``AWSCURRENT`` is read.

    Args:
        source: Region, endpoint, prefix and bounds.
    """

    name = "aws"
    writable = True

    def __init__(self, source: SecretSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._made: Any = None

    def __repr__(self) -> str:
        return f"AwsSecrets({self._source.prefix!r})"

    @property
    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> Any:
        try:
            boto3: Any = import_module("boto3")
            config: Any = import_module("botocore.config")
        except ImportError as error:
            message = "Secrets in AWS need boto3, which is not installed."
            raise InvalidInput(message, code="secrets.driver", hint="pip install 'remit[aws]'") from error
        source = self._source
        with _said("", source):
            return boto3.session.Session().client(
                "secretsmanager",
                region_name=source.region or None,
                endpoint_url=source.url or None,
                config=config.Config(
                    connect_timeout=source.timeout_s,
                    read_timeout=source.timeout_s,
                    retries={"total_max_attempts": source.tries, "mode": "standard"},
                ),
            )

    def get(self, name: str, *, version: str = "") -> SecretValue:
        """As ``SecretBackend.get``."""
        which: dict[str, str] = {}
        if version:
            if not version.startswith("AWS") and len(version) < _SHORTEST_VERSION:
                raise unknown(name, WHERE, version=version)
            which = {"VersionStage" if version.startswith("AWS") else "VersionId": version}
        client = self._client
        with _said(name, self._source, version=version):
            answer = client.get_secret_value(SecretId=self._id(name), **which)
        text = answer.get("SecretString")
        if not isinstance(text, str):
            raise binary(name, WHERE)
        return SecretValue(name, str(answer["VersionId"]), self.name, text)

    def set(self, name: str, text: str) -> str:
        """As ``SecretBackend.set``; what was ``AWSCURRENT`` becomes ``AWSPREVIOUS``."""
        client = self._client
        try:
            with _said(name, self._source):
                return str(client.put_secret_value(SecretId=self._id(name), SecretString=text)["VersionId"])
        except NotFound:
            with _said(name, self._source):
                return str(client.create_secret(Name=self._id(name), SecretString=text)["VersionId"])

    def delete(self, name: str) -> None:
        """As ``SecretBackend.delete``; AWS can bring it back for seven days."""
        client = self._client
        with _said(name, self._source):
            # Deleting what is being deleted already succeeds: ask first.
            told = client.describe_secret(SecretId=self._id(name))
            if told.get("DeletedDate"):
                raise unknown(name, WHERE)
            client.delete_secret(SecretId=self._id(name), RecoveryWindowInDays=RECOVERY_DAYS)

    def names(self) -> list[str]:
        """As ``SecretBackend.names``."""
        prefix = self._source.prefix
        filters = [{"Key": "name", "Values": [prefix]}] if prefix else []
        client = self._client
        with _said("", self._source):
            rows = _pages(client.list_secrets, "SecretList", Filters=filters)
            found = [str(each["Name"]) for each in rows if not each.get("DeletedDate")]
        return sorted(name.removeprefix(prefix) for name in found if name.startswith(prefix))

    def versions(self, name: str) -> list[str]:
        """As ``SecretBackend.versions``; those without a stage, which AWS may remove at any time, are left out."""
        client = self._client
        with _said(name, self._source):
            rows = _pages(client.list_secret_version_ids, "Versions", SecretId=self._id(name))
            found: list[tuple[bool, datetime, str]] = [
                ("AWSCURRENT" in each.get("VersionStages", ()), each["CreatedDate"], str(each["VersionId"]))
                for each in rows
                if each.get("VersionStages")
            ]
        return [version for _, _, version in sorted(found, reverse=True)]

    def _id(self, name: str) -> str:
        return self._source.prefix + name


def _pages(ask: Any, rows: str, **given: Any) -> list[dict[str, Any]]:
    """Every row of a listing, page by page."""
    found: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        answer = ask(**given, **more)
        found += answer.get(rows, ())
        if not answer.get("NextToken"):
            return found
        more = {"NextToken": answer["NextToken"]}


@contextmanager
def _said(name: str, source: SecretSource, *, version: str = "") -> Generator[None]:
    """AWS's errors in our words; none of theirs is shown, for they repeat what was asked."""
    exceptions: Any = import_module("botocore.exceptions")
    try:
        yield
    except exceptions.ClientError as error:
        raise _answered(error, name, version) from None
    except (exceptions.ReadTimeoutError, exceptions.ConnectTimeoutError):
        raise late(WHERE, source.timeout_s * source.tries) from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.CredentialRetrievalError):
        raise refused(name, WHERE, "no credentials were found") from None
    except exceptions.NoRegionError:
        raise refused(name, WHERE, "no region is set") from None
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise silent(WHERE, type(error).__name__) from None
    except exceptions.BotoCoreError as error:
        raise refused(name, WHERE, type(error).__name__) from None


def _answered(error: Any, name: str, version: str) -> RemitError:
    code = _code(error)
    told: Mapping[str, Any] = error.response
    status = told.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MISSING:
        return unknown(name, WHERE, version=version)
    if code in _PASSING or status >= _SERVER_ERROR:
        return silent(WHERE, code)
    if code == "InvalidRequestException" and "deletion" in str(told.get("Error", {}).get("Message", "")):
        if error.operation_name in {"GetSecretValue", "DescribeSecret", "ListSecretVersionIds"}:
            return unknown(name, WHERE, version=version)
        message = f"The secret {name!r} is being deleted in {WHERE}."
        hint = "aws secretsmanager restore-secret brings it back"
        return Conflict(message, code="secrets.deleting", hint=hint)
    return refused(name, WHERE, code)


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) or "an answer without a code"
