;; A policy has an effect that Cedar doesn't have.
;; expect: load: the manifest can't be read: unknown variant `allow`, expected `permit` or `forbid` at line 1 column 138
(module
  ;; manifest {"policies": [{"id": "grant", "effect": "allow", "annotations": {}}]}
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
