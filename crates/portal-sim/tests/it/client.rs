//! A client of the portal in few words: raw HTTP/1.1, RSA and AES-GCM, nothing shared with the simulator.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use portal_sim::{Aad, Envelope, MethodForm, OaepHash, ResponseForm, Sim};
use rsa::oaep::EncryptingKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::RandomizedEncryptor;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha256;
use tokio::net::TcpStream;

pub(crate) const HASH: &str = "browser-fingerprint-0123456789";

/// One client with its channel and tokens.
pub(crate) struct Client {
    pub(crate) sim: Sim,
    pub(crate) hash: String,
    pub(crate) channel: Option<Keys>,
    pub(crate) access: Option<String>,
    pub(crate) refresh: Option<String>,
    pub(crate) request_id: Option<String>,
}

pub(crate) struct Keys {
    pub(crate) id: String,
    request: [u8; 32],
    response: [u8; 32],
}

/// An answer, opened if it was sealed.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Bytes,
    pub(crate) sealed: bool,
    pub(crate) json: Value,
}

impl Reply {
    pub(crate) fn data(&self) -> &Value {
        &self.json["data"]
    }

    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().or_else(|| self.json["error"]["code"].as_str()).unwrap_or_default()
    }
}

pub(crate) type Broken = Box<dyn std::error::Error + Send + Sync>;

impl Client {
    pub(crate) fn new(sim: &Sim) -> Self {
        Self {
            sim: sim.clone(),
            hash: HASH.to_owned(),
            channel: None,
            access: None,
            refresh: None,
            request_id: None,
        }
    }

    /// A path in this dialect: `auth/…`, `login/…`, `sc/…`, `refresh`, or one under the portal.
    pub(crate) fn path(&self, name: &str) -> String {
        let d = self.sim.dialect();
        let portal = &self.sim.settings().portal;
        let auth = d.auth_base.replace("{portal}", portal);
        let fill = |text: &str| text.replace("{auth}", &auth).replace("{portal}", portal);
        let path = match name.split_once('/') {
            _ if name == "refresh" => fill(&d.refresh_path),
            Some(("auth", rest)) => format!("{auth}/{rest}"),
            Some(("login", rest)) => format!("{}/{rest}", fill(&d.login_base)),
            Some(("sc", rest)) => format!("{}/{rest}", fill(&d.channel_base)),
            _ => format!("/web/v1/{portal}/{name}"),
        };
        format!("{}{path}", self.sim.settings().prefix)
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: &str, value: &str| {
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        };
        put("host", "localhost");
        put("x-portal-access-code", &self.sim.settings().access_code);
        put("x-client-hash", &self.hash);
        let fresh = uuid::Uuid::new_v4().to_string();
        put("x-request-id", self.request_id.as_deref().unwrap_or(&fresh));
        headers
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Reply, Broken> {
        let (status, headers, raw) = self.send_raw(method, path, headers, body).await?;
        Ok(self.read(status, headers, raw))
    }

    pub(crate) async fn send_raw(
        &self,
        method: &str,
        path: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(u16, HeaderMap, Bytes), Broken> {
        let stream = TcpStream::connect(self.sim.addr()).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).body(Full::new(Bytes::from(body)))?;
        *request.headers_mut() = headers;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let raw = body.collect().await?.to_bytes();
        Ok((head.status.as_u16(), head.headers, raw))
    }

    fn read(&self, status: u16, headers: HeaderMap, raw: Bytes) -> Reply {
        let outer: Value = serde_json::from_slice(&raw).unwrap_or(Value::Null);
        let payload = if raw.starts_with(&[0x53, 0x43, 2, 0x81]) {
            Some(raw[4..].to_vec())
        } else if outer["v"] == 2 {
            let text = outer["p"].as_str().unwrap().replace('-', "+").replace('_', "/");
            Some(STANDARD_NO_PAD.decode(text.trim_end_matches('=')).unwrap())
        } else {
            None
        };
        let Some(payload) = payload else {
            return Reply { status, headers, raw, sealed: false, json: outer };
        };
        let keys = self.channel.as_ref().unwrap();
        let json = open(keys.response, &payload, self.aad(&keys.id))
            .map_or(Value::Null, |plain| serde_json::from_slice(&plain).unwrap());
        Reply { status, headers, raw, sealed: true, json }
    }

    fn aad<'k>(&self, id: &'k str) -> &'k [u8] {
        match self.sim.dialect().aad {
            Aad::None => b"",
            Aad::SessionId => id.as_bytes(),
        }
    }

    /// Public key and session, as a client does them.
    pub(crate) async fn open_channel(&mut self) -> Reply {
        let key = self.send("GET", &self.path("sc/public-key"), self.headers(), vec![]).await.unwrap();
        assert_eq!(key.status, 200, "{key:?}");
        self.open_channel_with(
            key.data()["keyId"].as_str().unwrap(),
            key.data()["publicKey"].as_str().unwrap(),
        )
        .await
    }

    pub(crate) async fn open_channel_with(&mut self, key_id: &str, spki: &str) -> Reply {
        let spki =
            STANDARD_NO_PAD.decode(spki.replace('-', "+").replace('_', "/").trim_end_matches('=')).unwrap();
        let public = rsa::PublicKey::from_public_key_der(&spki).unwrap();
        let (request, response) = (random(), random());
        let d = self.sim.dialect();
        let wrap = |key: &[u8; 32]| wrap(&public, key, d.oaep_hash, d.mgf1_hash);
        let body = json!({
            "keyId": key_id,
            "encReqKey": STANDARD.encode(wrap(&request)),
            "encRespKey": STANDARD.encode(wrap(&response)),
        });
        let mut headers = self.headers();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let path = self.path("sc/session");
        let reply = self.send("POST", &path, headers, body.to_string().into_bytes()).await.unwrap();
        if reply.status == 200 {
            let id = reply.data()["sessionId"].as_str().unwrap().to_owned();
            self.channel = Some(Keys { id, request, response });
        }
        reply
    }

    /// Headers and body of a sealed request.
    pub(crate) fn seal(&self, body: &Value) -> (HeaderMap, Vec<u8>) {
        let d = self.sim.dialect();
        let mut headers = self.headers();
        headers.insert("content-type", HeaderValue::try_from(&d.sealed_content_type).unwrap());
        let keys = self.channel.as_ref().unwrap();
        headers.insert(
            HeaderName::try_from(&d.session_header).unwrap(),
            HeaderValue::try_from(&keys.id).unwrap(),
        );
        if d.sc_version {
            headers.insert("x-sc-version", HeaderValue::from_static("2"));
        }
        let plain = body.to_string().into_bytes();
        let payload = || encrypt(keys.request, &plain, self.aad(&keys.id));
        let body = match d.envelope {
            Envelope::Raw => plain.clone(),
            Envelope::Json => json!({"v": 2, "p": STANDARD.encode(payload())}).to_string().into_bytes(),
            Envelope::Binary => [&[0x53, 0x43, 2, 2][..], &payload()].concat(),
        };
        (headers, body)
    }

    /// Takes over a channel that was opened by other means.
    pub(crate) fn adopt(&mut self, id: String, request: [u8; 32], response: [u8; 32]) {
        self.channel = Some(Keys { id, request, response });
    }

    fn authorize(&self, headers: &mut HeaderMap) {
        if let Some(access) = &self.access {
            headers.insert("authorization", HeaderValue::try_from(format!("Bearer {access}")).unwrap());
        }
    }

    /// A POST as this dialect wants it: sealed where it must be, plain elsewhere.
    pub(crate) async fn post(&mut self, name: &str, body: Value) -> Reply {
        let endpoint = match name {
            "refresh" => "token/refresh",
            "login/mfa/send" => "mfa/send",
            other => other.strip_prefix("auth/").unwrap_or(other),
        };
        if !self.sim.dialect().sealed_paths.iter().any(|path| path == endpoint) {
            return self.post_plain(name, body).await;
        }
        if self.channel.is_none() {
            let opened = self.open_channel().await;
            assert_eq!(opened.status, 200, "{opened:?}");
        }
        self.post_sealed(name, body).await
    }

    pub(crate) async fn post_sealed(&self, name: &str, body: Value) -> Reply {
        let (mut headers, body) = self.seal(&body);
        if !is_before_login(name) {
            self.authorize(&mut headers);
        }
        self.send("POST", &self.path(name), headers, body).await.unwrap()
    }

    pub(crate) async fn post_plain(&self, name: &str, body: Value) -> Reply {
        let mut headers = self.headers();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        if !is_before_login(name) {
            self.authorize(&mut headers);
        }
        self.send("POST", &self.path(name), headers, body.to_string().into_bytes()).await.unwrap()
    }

    pub(crate) async fn get(&self, name: &str) -> Reply {
        self.try_get(name).await.unwrap()
    }

    pub(crate) async fn try_get(&self, name: &str) -> Result<Reply, Broken> {
        self.request("GET", name, vec![]).await
    }

    pub(crate) async fn request(&self, method: &str, name: &str, body: Vec<u8>) -> Result<Reply, Broken> {
        let mut headers = self.headers();
        self.authorize(&mut headers);
        self.send(method, &self.path(name), headers, body).await
    }

    /// The `method` to send for a factor, in the dialect's form.
    pub(crate) fn method(&self, factor: &str, initiated: &Value) -> Value {
        let number = match factor {
            "EMAIL" => 10_011_001,
            "OTP" => 10_011_002,
            _ => 10_011_005,
        };
        let listed =
            ["mfaMethods", "methods", "availableMethods"].iter().find_map(|name| initiated[name].as_array());
        match self.sim.dialect().method_form {
            MethodForm::Integer | MethodForm::Any => json!(number),
            MethodForm::Name => json!(factor),
            MethodForm::AsReceived => listed
                .unwrap()
                .iter()
                .map(|item| if item.is_object() { item["value"].clone() } else { item.clone() })
                .find(|item| *item == json!(number) || *item == json!(factor))
                .unwrap(),
        }
    }

    /// The whole login by TOTP.
    pub(crate) async fn log_in(&mut self, email: &str) -> Reply {
        let initiated = self.initiate(email, portal_sim::DEFAULT_PASSWORD).await;
        assert_eq!(initiated.status, 200, "{initiated:?}");
        let (session, method) = (initiated.data()["sessionId"].clone(), self.method("OTP", initiated.data()));
        let code = self.sim.otp_unspent(email);
        let done =
            self.post("login/complete", json!({"sessionId": session, "method": method, "code": code})).await;
        self.keep_tokens(&done);
        done
    }

    pub(crate) async fn initiate(&mut self, email: &str, password: &str) -> Reply {
        self.post("login/initiate", json!({"email": email, "password": password})).await
    }

    pub(crate) async fn renew(&mut self) -> Reply {
        let renewed = self.post("refresh", json!({"refreshToken": self.refresh})).await;
        self.keep_tokens(&renewed);
        renewed
    }

    pub(crate) fn keep_tokens(&mut self, reply: &Reply) {
        if let Some(access) = reply.data()["accessToken"].as_str() {
            self.access = Some(access.to_owned());
        }
        if let Some(refresh) = reply.data()["refreshToken"].as_str() {
            self.refresh = Some(refresh.to_owned());
        }
    }
}

pub(crate) fn succeeded(reply: &Reply, form: ResponseForm) -> bool {
    match form {
        ResponseForm::Reduced => reply.code().starts_with('2'),
        _ => reply.json["success"] == true,
    }
}

fn is_before_login(name: &str) -> bool {
    name == "refresh" || name.starts_with("login/")
}

pub(crate) fn encrypt(key: [u8; 32], plain: &[u8], aad: &[u8]) -> Vec<u8> {
    let iv: [u8; 12] = random();
    let sealed = Aes256Gcm::new(&key.into()).encrypt(&Nonce::from(iv), Payload { msg: plain, aad }).unwrap();
    [&iv[..], &sealed].concat()
}

pub(crate) fn open(key: [u8; 32], payload: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    let (iv, msg) = payload.split_first_chunk::<12>()?;
    Aes256Gcm::new(&key.into()).decrypt(&Nonce::from(*iv), Payload { msg, aad }).ok()
}

pub(crate) fn wrap(public: &rsa::PublicKey, key: &[u8], hash: OaepHash, mgf1: OaepHash) -> Vec<u8> {
    let public = public.clone();
    match (hash, mgf1) {
        (OaepHash::Sha256, OaepHash::Sha256) => {
            EncryptingKey::<Sha256, Sha256>::new(public).encrypt_with_rng(&mut Random, key)
        }
        (OaepHash::Sha256, OaepHash::Sha1) => {
            EncryptingKey::<Sha256, Sha1>::new(public).encrypt_with_rng(&mut Random, key)
        }
        (OaepHash::Sha1, OaepHash::Sha256) => {
            EncryptingKey::<Sha1, Sha256>::new(public).encrypt_with_rng(&mut Random, key)
        }
        (OaepHash::Sha1, OaepHash::Sha1) => {
            EncryptingKey::<Sha1, Sha1>::new(public).encrypt_with_rng(&mut Random, key)
        }
    }
    .unwrap()
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    getrandom::fill(&mut out).unwrap();
    out
}

pub(crate) struct Random;

impl TryRng for Random {
    type Error = getrandom::Error;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        getrandom::u32()
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        getrandom::u64()
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        getrandom::fill(dst)
    }
}

impl TryCryptoRng for Random {}
