"""mfagap: finds every Okta session that came in through the legacy authn API without MFA."""

__version__ = "0.1.0"
