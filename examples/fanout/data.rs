//! The shop's data: users, products and stock, made from a fixed seed.
//!
//! Everything here is a pure function of [`SEED`], so each process makes its own copy instead of receiving
//! one, and the load generator can compute what the service must answer. The generator is written out
//! below because a library's may change its numbers between versions.
//!
//! The backends ask [`Shop::user`], [`Shop::search`] and [`Shop::stock`]; the load generator asks
//! [`Shop::expected`].

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::wire::{Answer, Product, Request, User};

/// Everything is made from this.
const SEED: u64 = 0x7461_7261_6521;
const USERS: u32 = 3_000;
const PRODUCTS: u32 = 4_000;
/// How many products a search finds at most, before those out of stock are dropped.
const HITS_MAX: usize = 10;
/// How much a favourite category counts against popularity, which is below 1,000.
const FAVOURITE_BOOST: u32 = 400;

/// The whole shop, in memory.
#[derive(Debug)]
pub(crate) struct Shop {
    users: Vec<User>,
    products: Vec<Item>,
    /// For each word of a product's name, the products it occurs in, ascending.
    postings: HashMap<&'static str, Vec<u32>>,
}

#[derive(Debug)]
struct Item {
    product: Product,
    words: [&'static str; 3],
    popularity: u32,
    stock: u32,
}

impl Item {
    fn score(&self, favourites: &[String]) -> u32 {
        let favourite = favourites.contains(&self.product.category);
        self.popularity + if favourite { FAVOURITE_BOOST } else { 0 }
    }
}

impl Shop {
    /// Makes the shop. Ids count from 1.
    pub(crate) fn new() -> Self {
        let mut random = Random(SEED);
        let users = (1..=USERS).map(|_| random_user(&mut random)).collect();
        let products: Vec<Item> = (1..=PRODUCTS).map(|id| random_item(id, &mut random)).collect();
        let mut postings: HashMap<_, Vec<u32>> = HashMap::new();
        for item in &products {
            for word in item.words {
                postings.entry(word).or_default().push(item.product.id);
            }
        }
        Shop { users, products, postings }
    }

    /// Finds a user.
    pub(crate) fn user(&self, id: u32) -> Option<&User> {
        self.users.get(index(id)?)
    }

    /// Finds the products whose names have every word of `query`, those the user probably likes first.
    pub(crate) fn search(&self, query: &str, favourites: &[String]) -> Vec<Product> {
        let mut words = query.split_whitespace();
        let Some(first) = words.next().and_then(|word| self.postings.get(word)) else { return Vec::new() };
        let rest: Option<Vec<_>> = words.map(|word| self.postings.get(word)).collect();
        let Some(rest) = rest else { return Vec::new() };

        let all_words = |id: &&u32| rest.iter().all(|ids| ids.binary_search(id).is_ok());
        let found = first.iter().filter(all_words).map(|&id| self.item(id));
        let mut hits: Vec<(Reverse<u32>, u32)> =
            found.map(|item| (Reverse(item.score(favourites)), item.product.id)).collect();
        hits.sort_unstable();
        hits.truncate(HITS_MAX);
        hits.into_iter().map(|(_, id)| self.item(id).product.clone()).collect()
    }

    /// Says how many of a product there are; none of an unknown one.
    pub(crate) fn stock(&self, product: u32) -> u32 {
        index(product).and_then(|at| self.products.get(at)).map_or(0, |item| item.stock)
    }

    /// Computes what the service must answer to a correct request, without any service.
    pub(crate) fn expected(&self, request: &Request) -> Option<Answer> {
        let user = self.user(request.user)?;
        let mut products = self.search(&request.query, &user.favourites);
        products.retain(|product| self.stock(product.id) > 0);
        Some(Answer::new(user, products))
    }

    /// Makes the `n`th request of a load: some user asks for something that exists.
    pub(crate) fn request(&self, n: u64) -> Request {
        let mut random = Random(SEED ^ n.wrapping_mul(0x9e37_79b9));
        let user = 1 + random.below(USERS);
        let [adjective, material, noun] = self.item(1 + random.below(PRODUCTS)).words;
        let query = match random.below(4) {
            0 | 1 => noun.to_owned(),
            2 => format!("{material} {noun}"),
            _ => format!("{adjective} {noun}"),
        };
        Request { user, query }
    }

    /// The product with an id of ours.
    fn item(&self, id: u32) -> &Item {
        &self.products[id as usize - 1]
    }
}

fn index(id: u32) -> Option<usize> {
    (id as usize).checked_sub(1)
}

fn random_user(random: &mut Random) -> User {
    let mut favourites = vec![random.pick(&CATEGORIES).0.to_owned(), random.pick(&CATEGORIES).0.to_owned()];
    favourites.dedup();
    User {
        name: format!("{} {}", random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES)),
        discount_percent: [0, 0, 0, 5, 10, 15][random.below(6) as usize],
        favourites,
    }
}

fn random_item(id: u32, random: &mut Random) -> Item {
    let (category, nouns) = random.pick(&CATEGORIES);
    let words = [*random.pick(&ADJECTIVES), *random.pick(&MATERIALS), *random.pick(nouns)];
    let product = Product {
        id,
        name: words.join(" "),
        category: (*category).to_owned(),
        cents: 199 + u64::from(random.below(30_000)),
    };
    let popularity = random.below(1_000);
    // One product in four is sold out.
    let stock = if random.below(4) == 0 { 0 } else { 1 + random.below(50) };
    Item { product, words, popularity, stock }
}

/// The splitmix64 generator (Steele, Lea and Flood, 2014): one add and one mix per number.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`. The bias of the multiplication is too small to matter here.
    fn below(&mut self, bound: u32) -> u32 {
        let high = self.next() >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u32) as usize]
    }
}

type Category = (&'static str, [&'static str; 4]);

const CATEGORIES: [Category; 10] = [
    ("bath", ["towel", "mirror", "soap", "brush"]),
    ("books", ["novel", "atlas", "diary", "notebook"]),
    ("desk", ["lamp", "pen", "stapler", "clock"]),
    ("garden", ["spade", "bench", "pot", "lantern"]),
    ("kitchen", ["bowl", "knife", "kettle", "tray"]),
    ("living", ["chair", "table", "rug", "shelf"]),
    ("music", ["flute", "drum", "guitar", "harp"]),
    ("sport", ["ball", "racket", "bicycle", "skate"]),
    ("toys", ["robot", "puzzle", "kite", "doll"]),
    ("travel", ["bag", "tent", "umbrella", "hat"]),
];

const ADJECTIVES: [&str; 16] = [
    "red", "blue", "green", "black", "white", "small", "large", "light", "heavy", "old", "new", "round",
    "plain", "striped", "folding", "quiet",
];

const MATERIALS: [&str; 12] = [
    "wooden",
    "steel",
    "cotton",
    "paper",
    "glass",
    "leather",
    "woollen",
    "bamboo",
    "copper",
    "stone",
    "silk",
    "porcelain",
];

const FIRST_NAMES: [&str; 12] =
    ["Ada", "Ben", "Chan", "Dora", "Emil", "Farah", "Goran", "Hana", "Ines", "Jun", "Kofi", "Lena"];

const LAST_NAMES: [&str; 10] =
    ["Adler", "Baek", "Costa", "Diallo", "Ekman", "Fischer", "Garcia", "Haddad", "Ito", "Jansen"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_makes_the_published_numbers() {
        // The first outputs of splitmix64 for seed 1234567, as listed by its reference implementations.
        let mut random = Random(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_search_finds_only_products_with_all_words() {
        let hits = Shop::new().search("wooden chair", &[]);
        assert!(!hits.is_empty());
        assert!(hits.iter().all(|p| p.name.contains("wooden") && p.name.contains("chair")), "{hits:?}");
        assert!(Shop::new().search("wooden nonsense", &[]).is_empty());
    }

    #[test]
    fn a_favourite_category_moves_a_product_up() {
        let shop = Shop::new();
        let rank_sum = |favourites: &[String]| {
            let hits = shop.search("red", favourites);
            hits.iter().filter(|product| product.category == "music").count()
        };
        assert!(rank_sum(&["music".to_owned()]) > rank_sum(&[]));
    }

    #[test]
    fn every_generated_request_finds_something() {
        let shop = Shop::new();
        for n in 0..1_000 {
            let request = shop.request(n);
            let user = shop.user(request.user).expect("the user exists");
            assert!(!shop.search(&request.query, &user.favourites).is_empty(), "{request:?}");
            assert!(request.check().is_ok());
        }
    }

    #[test]
    fn expected_answers_drop_what_is_sold_out() {
        let shop = Shop::new();
        let dropped = (0..100).any(|n| {
            let request = shop.request(n);
            let user = shop.user(request.user).expect("the user exists");
            let hits = shop.search(&request.query, &user.favourites).len();
            let answer = shop.expected(&request).expect("the user exists");
            assert!(answer.products.iter().all(|offer| shop.stock(offer.id) > 0));
            answer.products.len() < hits
        });
        assert!(dropped, "no request met a sold-out product");
    }
}
