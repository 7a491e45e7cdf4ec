"""One exception class per problem code, with the problem's facts; generated from the document."""

from wallet_sdk._generated.problems import *  # noqa: F403
from wallet_sdk._generated.problems import __all__ as __all__
from wallet_sdk.errors import error_of as error_of
