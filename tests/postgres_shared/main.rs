//! Shared tables on real servers: each test on PostgreSQL 13, 15, 16, 17 and 18, as superuser and as a role with CREATEROLE and
//! CREATEDB only. `POSTGRES_VERSIONS` names others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod applications;
mod drift;
mod findings;
mod quiet;
mod removal;
mod tenants;
mod world;

/// A test for each version and kind of administrator.
#[macro_export]
macro_rules! on_every_server {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            #[test]
            fn as_superuser() {
                $crate::world::on_every_version(|version| async move { super::$test($crate::world::World::new(version, true).await).await });
            }

            #[test]
            fn as_creator_of_roles() {
                $crate::world::on_every_version(|version| async move { super::$test($crate::world::World::new(version, false).await).await });
            }
        }
    )+};
}
