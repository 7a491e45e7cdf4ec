"""The bodies and answers of the API, as attrs classes; generated from its document."""

from wallet_sdk._generated.models import *  # noqa: F403
from wallet_sdk._generated.models import __all__ as __all__
