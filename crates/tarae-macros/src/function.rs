//! What a function must be, and what becomes of it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, ItemFn, Result, ReturnType, Safety};

use crate::options::Options;

/// Of a `main`.
pub(crate) fn main(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options, &["workers", "stack_size"])?;
    let function = read("main", item)?;
    if function.sig.ident != "main" {
        return Err(Error::new_spanned(&function.sig.ident, "`#[tarae::main]` is for the function `main`"));
    }
    Ok(write(&options, &function, &quote!(main), &TokenStream::new()))
}

/// Of a test.
pub(crate) fn test(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options, &["workers", "stack_size", "timeout", "timeout_ms"])?;
    let function = read("test", item)?;
    Ok(write(&options, &function, &quote!(test), &quote!(#[::core::prelude::v1::test])))
}

/// Reads a function, and refuses one that cannot be run: `attribute` is who asks.
fn read(attribute: &str, item: TokenStream) -> Result<ItemFn> {
    let function: ItemFn = syn::parse2(item)?;
    let head = &function.sig;
    if let Some(token) = &head.asyncness {
        let message = format!(
            "`#[tarae::{attribute}]` is for a function that is not async: what it calls waits without `.await`"
        );
        return Err(Error::new_spanned(token, message));
    }
    if head.constness.is_some() || !matches!(head.safety, Safety::Default) || head.abi.is_some() {
        let message = format!("a function with `#[tarae::{attribute}]` is neither const, unsafe nor extern");
        return Err(Error::new_spanned(head, message));
    }
    if let Some(argument) = head.inputs.first() {
        let message = format!("a function with `#[tarae::{attribute}]` takes no arguments");
        return Err(Error::new_spanned(argument, message));
    }
    if !head.generics.params.is_empty() || head.generics.where_clause.is_some() {
        let message = format!("a function with `#[tarae::{attribute}]` is not generic");
        return Err(Error::new_spanned(&head.generics, message));
    }
    Ok(function)
}

/// Writes the function inside of one of the same name, which calls `call` with it.
fn write(options: &Options, function: &ItemFn, call: &TokenStream, attribute: &TokenStream) -> TokenStream {
    let ItemFn { attrs, vis, sig, block, .. } = function;
    let (name, options) = (&sig.ident, options.expression());
    // Where the name is, so that dumps show the place.
    let call = quote_spanned!(name.span()=> ::tarae::__macros::#call(#options, #name));
    let (output, end) = match &sig.output {
        ReturnType::Default => (TokenStream::new(), quote!(;)),
        ReturnType::Type(..) => (quote!(-> ::std::process::ExitCode), TokenStream::new()),
    };
    quote! {
        #attribute
        #(#attrs)*
        #vis fn #name() #output {
            #sig #block
            #call #end
        }
    }
}
