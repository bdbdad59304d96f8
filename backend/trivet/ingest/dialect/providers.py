"""Names of providers, and of the regions in their hosts' names."""

import re
from typing import Any, Final

from trivet.ingest.decode.span import clean

# Providers under the names that older conventions and single emitters give them -> the name in today's conventions.
PROVIDERS: Final = {
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "gcp.vertex.agent": "gcp.vertex_ai",  # Google's agent kit
    "google_vertexai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "google_genai": "gcp.gemini",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "xai": "x_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "watsonx": "ibm.watsonx.ai",
    "ibm.watson.ai": "ibm.watsonx.ai",
}

# The Vercel AI SDK names provider and API together (`openai.chat`); a provider whose own name has a dot is told first.
_VERCEL: Final = {
    "google.generative-ai": "gcp.gemini",
    "google.vertex": "gcp.vertex_ai",
    "azure-openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "amazon-bedrock": "aws.bedrock",
    "xai": "x_ai",
    "mistral": "mistral_ai",
    "moonshotai": "moonshot_ai",
}

_REGION_IN_HOST = re.compile(
    r"bedrock[a-z-]*\.([a-z]{2,4}(?:-[a-z]+)+-\d)\.amazonaws\.com"  # AWS Bedrock
    r"|\b([a-z]+-[a-z]+\d+)-aiplatform\.googleapis\.com"  # Vertex AI
    r"|(?:^|\.)([a-z0-9]+)\.(?:api\.cognitive\.microsoft|inference\.ml\.azure)\.com"  # Azure
)


def provider_of(value: Any) -> str | None:
    """The provider's name in today's conventions; unknown ones stay as they came."""
    if not isinstance(value, str) or not value:
        return None
    name = clean(value).lower()
    return PROVIDERS.get(name, name)


def dotted_provider_of(value: Any) -> str | None:
    """The provider in a name of the Vercel AI SDK, such as `openai.chat` or `google.vertex.chat`."""
    if not isinstance(value, str) or not value:
        return None
    name = clean(value).lower()
    parts = name.split(".")
    for prefix in (".".join(parts[:2]), parts[0]):
        if prefix in _VERCEL:
            return _VERCEL[prefix]
    return provider_of(parts[0])


def region_of_host(value: Any) -> str | None:
    """The region that a cloud's host name says."""
    found = _REGION_IN_HOST.search(value[:256]) if isinstance(value, str) else None
    return next(filter(None, found.groups()), None) if found else None
