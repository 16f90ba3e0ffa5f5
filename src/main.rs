fn main() {
    print!("{}", tenant_operator::api::yaml(&tenant_operator::api::crds()).unwrap());
}
