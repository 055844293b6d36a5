//! The lists of the header policy: which names, and why.

/// PROTOCOL section 2, in every dialect's spelling.
pub(super) const CREDENTIALS: [&str; 6] = [
    "x-portal-access-code",
    "x-client-hash",
    "x-secure-channel-session-id",
    "x-sc-session-id",
    "x-sc-version",
    "authorization",
];

pub(super) const REQUEST_DROPS: [&str; 23] = [
    // This hop's own. `Expect` stays: whoever frames the request knows whether its body streams.
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "proxy-authorization",
    "proxy-authenticate",
    "http2-settings",
    "trailer",
    // Claims about the sender and the target that a server may believe.
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    // What a browser says about its page.
    "sec-fetch-site",
    "sec-fetch-mode",
    "sec-fetch-dest",
    "sec-fetch-user",
    "access-control-request-method",
    "access-control-request-headers",
];

pub(super) const ANSWER_DROPS: [&str; 15] = [
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "te",
    "upgrade",
    "proxy-authenticate",
    "proxy-authentication-info",
    "strict-transport-security",
    "public-key-pins",
    "public-key-pins-report-only",
    "alt-svc",
    "clear-site-data",
    "service-worker-allowed",
    "http2-settings",
    "proxy-authorization",
];

/// Fields that no trailer may carry (RFC 9110 section 6.5.1): they frame, route, authenticate or select.
pub(super) const TRAILER_DROPS: [&str; 14] = [
    "content-length",
    "content-encoding",
    "content-type",
    "content-range",
    "host",
    "trailer",
    "set-cookie",
    "www-authenticate",
    "location",
    "cache-control",
    "expires",
    "age",
    "vary",
    "date",
];
