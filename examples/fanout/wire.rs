//! What travels between the processes: one JSON object per line.
//!
//! Between client and service: a [`Request`] one way, an [`Answer`] or `{"error":"…"}` the other, one at a
//! time per connection. Between service and backends: [`Question`] and [`Reply`], each with an id, so
//! that many calls share a connection. The id comes first in the line: [`reply_id`] reads it without
//! parsing the rest, which is left to the caller that waits for it.

use std::fmt;
use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest line a client may send. A request is about 50 bytes; the limit is there because whoever
/// sends no line end would otherwise fill our memory.
pub(crate) const REQUEST_BYTES_MAX: usize = 4 * 1024;
/// The longest line between service and backends. A reply with ten products is about 900 bytes.
pub(crate) const REPLY_BYTES_MAX: usize = 64 * 1024;
const QUERY_BYTES_MAX: usize = 100;

/// What a client asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) user: u32,
    pub(crate) query: String,
}

impl Request {
    /// Reads a request from a line.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(line).map_err(|error| Refusal::Request(format!("not a request: {error}")))
    }

    /// Refuses what is not worth asking the backends.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::Request(why.to_owned()));
        if self.query.trim().is_empty() {
            return refuse("the query is empty");
        }
        if self.query.len() > QUERY_BYTES_MAX {
            return refuse("the query is longer than 100 bytes");
        }
        Ok(())
    }
}

/// What a client is told: the products in stock, with this user's prices.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) customer: String,
    pub(crate) discount_percent: u64,
    pub(crate) products: Vec<Offer>,
}

/// A product at this user's price.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) cents: u64,
}

impl Answer {
    /// Puts the answer together; the discount is rounded down to whole cents.
    pub(crate) fn new(user: &User, products: Vec<Product>) -> Self {
        let price = |cents: u64| cents - cents * user.discount_percent / 100;
        let offer = |Product { id, name, cents, .. }| Offer { id, name, cents: price(cents) };
        Answer {
            customer: user.name.clone(),
            discount_percent: user.discount_percent,
            products: products.into_iter().map(offer).collect(),
        }
    }
}

/// The user backend's answer: profile and discount.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) discount_percent: u64,
    pub(crate) favourites: Vec<String>,
}

/// One of the query backend's answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) cents: u64,
}

/// What the user backend is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AskUser {
    pub(crate) user: u32,
}

/// What the query backend is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AskQuery {
    pub(crate) query: String,
    pub(crate) favourites: Vec<String>,
}

/// What the stock backend is asked: which of these are in stock? It answers with their ids.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AskStock {
    pub(crate) products: Vec<u32>,
}

/// Why a client gets no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request is at fault.
    Request(String),
    /// A backend did not answer, or had no answer.
    Backend(&'static str, io::Error),
}

impl Refusal {
    /// What to say to a line that does not end.
    pub(crate) fn long_line() -> Self {
        Refusal::Request(format!("the line is longer than {REQUEST_BYTES_MAX} bytes"))
    }

    /// What to say to a client that sends and sends, but does not wait for answers.
    pub(crate) fn too_many() -> Self {
        Refusal::Request("too many requests before the first answer".to_owned())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Request(why) => f.write_str(why),
            Refusal::Backend(name, error) => write!(f, "{name} backend: {error}"),
        }
    }
}

/// Appends the line a client gets.
pub(crate) fn push_answer(line: &mut Vec<u8>, answer: &Result<Answer, Refusal>) {
    #[derive(Serialize)]
    struct Error {
        error: String,
    }
    match answer {
        Ok(answer) => push_line(line, answer),
        Err(refusal) => push_line(line, &Error { error: refusal.to_string() }),
    }
}

/// A call to a backend. The id comes first in the line because it is declared first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question<Q> {
    pub(crate) id: u64,
    pub(crate) ask: Q,
}

/// A backend's answer to the question with the same id.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply<A> {
    pub(crate) id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ok: Option<A>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// Reads the id of a reply, and nothing else if the line begins as ours do.
pub(crate) fn reply_id(line: &[u8]) -> io::Result<u64> {
    #[derive(Deserialize)]
    struct Id {
        id: u64,
    }
    match leading_id(line) {
        Some(id) => Ok(id),
        None => Ok(serde_json::from_slice::<Id>(line)?.id),
    }
}

/// The number in `{"id":NUMBER,` or `{"id":NUMBER}`, exactly so written.
fn leading_id(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"{\"id\":")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    let (number, rest) = digits.split_at(end);
    let plain = matches!(rest[0], b',' | b'}') && !(number.len() > 1 && number[0] == b'0');
    if !plain {
        return None;
    }
    str::from_utf8(number).ok()?.parse().ok()
}

/// Reads what a backend answered.
pub(crate) fn parse_reply<A: DeserializeOwned>(line: &[u8]) -> io::Result<A> {
    let reply: Reply<A> = serde_json::from_slice(line)?;
    match (reply.ok, reply.error) {
        (Some(answer), _) => Ok(answer),
        (None, Some(why)) => Err(io::Error::other(why)),
        (None, None) => Err(io::Error::new(io::ErrorKind::InvalidData, "a reply without content")),
    }
}

/// Appends `value` as one line.
pub(crate) fn push_line(line: &mut Vec<u8>, value: &impl Serialize) {
    // Our types have string keys and no fallible `Serialize`, and a vector takes any write.
    serde_json::to_writer(&mut *line, value).expect("plain data becomes JSON");
    line.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_lines_begin_with_the_id() {
        let mut line = Vec::new();
        push_line(&mut line, &Question { id: 7, ask: AskUser { user: 3 } });
        assert_eq!(line, b"{\"id\":7,\"ask\":{\"user\":3}}\n");
        line.clear();
        push_line(&mut line, &Reply { id: u64::MAX, ok: Some([1, 2]), error: None });
        assert_eq!(leading_id(&line), Some(u64::MAX));
    }

    #[test]
    fn an_id_is_read_from_any_json_that_has_one() {
        for line in
            ["{\"id\":12,\"ok\":1}", "{\"id\":12}", " { \"id\" : 12 }", "{\"ok\":{\"id\":3},\"id\":12}"]
        {
            assert_eq!(reply_id(line.as_bytes()).expect(line), 12, "{line}");
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for line in
            ["", "{", "{\"id\":", "{\"id\":12", "{\"id\":12.5}", "{\"id\":-1}", "{\"id\":007}", "{\"id\":}"]
        {
            assert!(reply_id(line.as_bytes()).is_err(), "{line}");
        }
        assert!(reply_id(b"{\"id\":18446744073709551616}").is_err(), "one more than fits");
    }

    #[test]
    fn a_reply_is_an_answer_or_an_error() {
        assert_eq!(parse_reply::<Vec<u32>>(b"{\"id\":1,\"ok\":[4]}").expect("an answer"), [4]);
        let error =
            parse_reply::<Vec<u32>>(b"{\"id\":1,\"error\":\"no such user 9\"}").expect_err("an error");
        assert_eq!(error.to_string(), "no such user 9");
        assert!(parse_reply::<Vec<u32>>(b"{\"id\":1}").is_err());
    }

    #[test]
    fn a_discount_is_rounded_in_the_shops_favour() {
        let user = User { name: "Ada".into(), discount_percent: 15, favourites: vec![] };
        let product = Product { id: 1, name: "hat".into(), category: "travel".into(), cents: 199 };
        assert_eq!(Answer::new(&user, vec![product]).products[0].cents, 199 - 29);
    }
}
