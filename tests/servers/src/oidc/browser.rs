//! Somebody at a browser: keeps cookies, follows redirects and fills in forms until there is none left. It runs no scripts,
//! and a page that wants more than a name, a password and a yes is not for it.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, Url};

/// More pages than any login has.
const PAGES: usize = 20;

/// What the page says after which there is nothing more to refuse. It has a form for the next code.
pub const SAID_NO: &str = "The Sign-in request was interrupted";

/// Where the visit ends.
pub enum Answered {
    /// At a page without a form.
    Page(String),
    /// At another site.
    SentTo(String),
}

/// A browser that has visited nothing yet.
pub struct Browser<'a> {
    http: &'a Client,
    site: &'a str,
    cookies: BTreeMap<String, String>,
}

/// A form of a page, as it would be sent.
struct Form {
    action: String,
    fields: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    /// A browser that stays at one site.
    pub fn new(http: &'a Client, site: &'a str) -> Self {
        Self { http, site, cookies: BTreeMap::new() }
    }

    /// Goes to a URL, and on from there as this person does, who agrees or does not.
    pub async fn visit(mut self, url: &str, subject: &str, agrees: bool) -> Answered {
        let mut at = Url::parse(url).expect("a URL");
        let mut response = self.send(self.http.get(at.clone())).await;
        for _ in 0..PAGES {
            if let Some(location) = response.headers().get(LOCATION) {
                at = at.join(location.to_str().expect("a URL is ASCII")).expect("a URL");
                if !at.as_str().starts_with(self.site) {
                    return Answered::SentTo(at.into());
                }
                response = self.send(self.http.get(at.clone())).await;
                continue;
            }
            let page = response.text().await.expect("a page is text");
            let Some(mut form) = Form::first_of(&page) else { return Answered::Page(page) };
            if page.contains(SAID_NO) {
                return Answered::Page(page);
            }
            form.fill_in(subject);
            // The button stands outside of the form that it sends.
            if !agrees && page.contains(" name=\"abort\"") {
                form.fields.insert("abort".into(), "yes".into());
            }
            at = at.join(&form.action).expect("a URL");
            response = self.send(self.http.post(at.clone()).form(&form.fields)).await;
        }
        panic!("there is no end of pages, the last one at {at}")
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Response {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header(COOKIE, cookies.join("; ")).send().await.expect("the provider answers");
        self.take_cookies(response.headers());
        response
    }

    fn take_cookies(&mut self, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE) {
            let text = header.to_str().expect("a cookie is ASCII");
            let (name, value) =
                text.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            match value {
                "" => drop(self.cookies.remove(name)),
                value => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
    }
}

impl Form {
    fn first_of(page: &str) -> Option<Self> {
        let (_, rest) = page.split_once("<form")?;
        let (form, _) = rest.split_once("</form>")?;
        let inputs = form.split('<').filter(|tag| tag.starts_with("input"));
        let fields = inputs
            .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())));
        Some(Self { action: attribute(form, "action")?, fields: fields.collect() })
    }

    fn fill_in(&mut self, subject: &str) {
        if self.fields.contains_key("login") {
            self.fields.insert("login".into(), subject.into());
            self.fields.insert("password".into(), "any".into());
        }
    }
}

/// The value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}
