;; A policy has an annotation that the gate doesn't know.
;; expect: load: manifest: policy `grant`: unknown annotation `@allow_all`: expected one of `@id`, `@reason`, `@control`, `@incident`, `@silent`, `@remedy`, `@fallback`, `@watermark`, `@alert`, `@notify`, `@review`, `@retain`, `@audit`
(module
  ;; manifest {"policies": [{"id": "grant", "effect": "permit", "annotations": {"allow_all": ""}}, {"id": "refuse", "effect": "forbid", "annotations": {}}, {"id": "elsewhere", "effect": "permit", "annotations": {}}]}
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
